"""The five tables of the component registry: their rows, their claims, and how they are written."""
