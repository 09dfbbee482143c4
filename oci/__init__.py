"""The publisher's side: bundle runbooks, lock and collect packages, build a release and push it."""
