"""Prove a whole deployment in the lab: kill it at every request, disturb every request, and race for its lock."""
