"""Measure the cost of the runbooks in the lab: sizes, memory, time and requests, compared with the project's aims."""
