"""One module for each command of `vibedata`, an underscore for each dash in its name."""
