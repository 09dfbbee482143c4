"""A local Azure for tests: real servers where they exist, small faithful stand-ins where not."""
