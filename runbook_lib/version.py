"""The version of this copy of the library: the project's version, or in a built runbook the release's.

`pyproject.toml` has the same one. The bundler puts the release's version in its place.
"""

RUNBOOK_VERSION = "0.1.0"
