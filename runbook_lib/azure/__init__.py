"""The way to one customer's Azure: settings, identity, SDK clients.

What is done with them lives in the rooms above.
"""
