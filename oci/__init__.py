"""The publisher's build: bundle runbooks, lock and collect packages, build a release and push it."""
