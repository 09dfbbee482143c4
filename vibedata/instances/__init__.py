"""Instances in commands: choose the instance, show the changes of its document, and ask for confirmation."""
