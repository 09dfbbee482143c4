"""Commands' work on a release at the publisher's: check it, sign it, and find the container registry for it."""
