"""The chain of steps that makes an instance run, and the parts of a build that it needs."""
