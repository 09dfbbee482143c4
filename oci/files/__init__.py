"""Files of this machine: read within bounds and through no link, written whole and at once."""
