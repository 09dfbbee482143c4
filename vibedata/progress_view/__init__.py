"""The view of a long command: the step that runs, what it waits for and why, and how long this takes.

States and lines are pure. Only the writer uses the time and a terminal.
"""
