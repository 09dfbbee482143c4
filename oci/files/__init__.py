"""Files of this machine. They are read within limits and without following links, and replaced as a whole."""
