"""The command `vibedata`: the front door, its session, its output. Each command is a module in commands."""
