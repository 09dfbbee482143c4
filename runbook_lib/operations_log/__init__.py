"""The events of VibeData_Operations_CL: how they are made and chained, and how they are delivered."""
