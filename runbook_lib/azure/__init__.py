"""The way to one customer's Azure: settings, identity, SDK clients. Other folders use them."""
