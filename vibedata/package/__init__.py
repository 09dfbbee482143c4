"""The package for the Marketplace: the zip that Partner Center takes, and the rules of certification."""
