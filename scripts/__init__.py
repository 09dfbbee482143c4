"""Set-up, the demo, and the generators of pages. The command lives in vibedata."""
