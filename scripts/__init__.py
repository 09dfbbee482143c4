"""The `vibedata` command and the scripts that set a development machine up."""
