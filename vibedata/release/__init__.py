"""The work of commands on a release at the publisher: check it, sign it, and find its container registry."""
