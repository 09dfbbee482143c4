"""The chain of steps that makes an instance run, and what it needs of a build."""
