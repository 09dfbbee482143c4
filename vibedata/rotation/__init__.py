"""Rotations as commands: options, progress, result."""
