"""`make demo`: a release with real images, and the whole chain in the lab."""
