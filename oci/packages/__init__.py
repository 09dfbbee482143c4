"""The locked Python packages: the lock, the download, the wheels."""
