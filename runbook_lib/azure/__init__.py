"""The way to one customer's Azure: settings, identity, SDK clients.

Their uses live in the rooms above.
"""
