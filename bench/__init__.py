"""What the runbooks cost: sizes, memory, time and requests, measured in the lab against the project's aims."""
