"""The lock of a deployment: leased blobs that say who deploys, since when, and at which step.

What a lock's blob says is in content, when a lease has lapsed in lapse. Taking, keeping and giving back is lock's. The
jobs that a former holder left are in former_jobs.
"""
