"""Files that the lab puts into the environment of each job, as the sandbox has them. It does not run the jobs."""
