"""Instances as commands see them: which one is meant, whose it is, what changes of a document, and who confirms it."""
