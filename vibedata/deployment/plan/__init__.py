"""What a deployment would change: the plan of each step, before any of them is carried out, and how it is shown."""
