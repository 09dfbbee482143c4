"""What a person sees of a long command: which step runs, what it waits for and why, and how long that takes. States and
lines are pure; the writer alone knows time and terminals.
"""
