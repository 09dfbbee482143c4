"""One working day of an operator: commands that are typed in the lab, and the page with all that they say."""
