"""The state of all instances, from what they reported and what the publisher recorded, and how it is shown."""
