"""A local Azure for tests: real servers if there are any, small faithful stand-ins for the rest."""
