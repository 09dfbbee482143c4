"""The tables of the component registry: their rows, the resources that components claim, and the writing of rows."""
