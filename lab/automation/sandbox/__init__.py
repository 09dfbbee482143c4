"""Files that the lab puts into the environment of each job, as the sandbox has them. What runs the job lives above."""
