"""The lock of a deployment: leased blobs that say who deploys, since when, and at which step.

`content` defines the text in a lock's blob. `lapse` decides when a lease has ended. `lock` takes, keeps and gives back
the lock. `former_jobs` finds the jobs that an earlier holder left.
"""
