"""Prove a whole deployment in the lab: killed at every request, with trouble at each, and raced for its lock."""
