"""The events of VibeData_Operations_CL: making, chaining and delivering them."""
