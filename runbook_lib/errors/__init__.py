"""Every failure that a user can meet: one module for each area, and the error that carries an entry of it.

What failed on the network is read in network.
"""
