"""Files that the lab puts into the sandbox of each job."""
