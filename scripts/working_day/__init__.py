"""One working day of an operator: the commands that are typed in the lab, and the page with all their output."""
