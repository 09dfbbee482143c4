"""How long things usually take. A line that waits says so, and nothing is decided by it.

What Microsoft does not document is taken as the bench takes it: one number for all, close to what people report.
"""

from collections.abc import Iterable

# Automation's cap on imports (docs/azure-facts.md#python-and-its-limits).
IMPORTS_AT_ONCE = 5
IMPORT_WINDOW_SECONDS = 30.0
# One import, a minute or more. Not documented; Microsoft's own importer waits 60 s for a place
# (docs/azure-facts.md#python-and-its-limits).
IMPORT_SECONDS = 60.0
# From New to Running: a worker is chosen and a sandbox made. Not documented: "about a minute" is what operators see.
JOB_START_SECONDS = 60.0
# A step that this command does itself, without a job.
OWN_STEP_SECONDS = 15.0
# Of a job, after its start: imports of Python, a token, some requests.
JOB_SECONDS = 30.0
# The phases of a rotation that are jobs: prepare, stage, test, promote, retire.
ROTATION_JOBS = 5
# What a step takes beside the start of its job, and beside the import of packages. Imports of images run side by side,
# and so do the jobs that validate_runbooks starts.
_SECONDS = {
    "lock": 5.0,
    "first_runbooks": 30.0,
    "first_registry_token": ROTATION_JOBS * (JOB_START_SECONDS + 10.0),
    "first_hmac_key": ROTATION_JOBS * (JOB_START_SECONDS + 10.0),
    # Two jobs, prepare and install, and the order between them.
    "first_certificate": 2 * (JOB_START_SECONDS + 10.0) + 30.0,
    "import_images": 60.0,
    "publish_runbooks": 60.0,
    "validate_runbooks": JOB_START_SECONDS + 30.0,
}


def imports_seconds(packages: int) -> float:
    """Return how long the import of so many packages takes, from the first request to the last package."""
    return (max(packages, 1) - 1) // IMPORTS_AT_ONCE * IMPORT_WINDOW_SECONDS + IMPORT_SECONDS


def step_seconds(name: str, *, is_job: bool) -> float:
    """Return how long a step takes. is_job: Automation runs it."""
    if is_job:
        return JOB_START_SECONDS + _SECONDS.get(name, JOB_SECONDS)
    return _SECONDS.get(name, OWN_STEP_SECONDS)


def whole_seconds(steps: Iterable[tuple[str, bool]]) -> float:
    """Return how long all steps take, one after the other. steps: name, and whether Automation runs it."""
    return sum(step_seconds(name, is_job=is_job) for name, is_job in steps)
