"""Tests of pure functions: no socket, no process."""
