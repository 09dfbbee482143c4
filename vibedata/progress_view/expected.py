"""The usual duration of each thing. A line about waiting shows it. Nothing is decided by it.

Microsoft does not document some of these times. For them this module uses the numbers of the bench, which are close to
what people report.
"""

from collections.abc import Iterable

# The number of packages that Automation imports at the same time (docs/azure-facts.md#python-and-its-limits).
IMPORTS_AT_ONCE = 5
IMPORT_WINDOW_SECONDS = 30.0
# The import of one package takes a minute or more. This is not documented. Microsoft's own importer waits 60 s for a
# place (docs/azure-facts.md#python-and-its-limits).
IMPORT_SECONDS = 60.0
# The time from New to Running. Automation chooses a worker and makes a sandbox. This is not documented: operators see
# "about a minute".
JOB_START_SECONDS = 60.0
# The time of a step that this command does itself, without a job.
OWN_STEP_SECONDS = 15.0
# The time of a job after its start: imports of Python, a token, some requests.
JOB_SECONDS = 30.0
# The phases of a rotation that are jobs: prepare, stage, test, promote, retire.
ROTATION_JOBS = 5
# The additional time of some steps, beside the start of the job and the import of packages. Imports of images run side
# by side, and the jobs that validate_runbooks starts do, too.
_SECONDS = {
    "lock": 5.0,
    "first_runbooks": 30.0,
    "first_registry_token": ROTATION_JOBS * (JOB_START_SECONDS + 10.0),
    "first_hmac_key": ROTATION_JOBS * (JOB_START_SECONDS + 10.0),
    # Two jobs, prepare and install, and the order between them.
    "first_certificate": 2 * (JOB_START_SECONDS + 10.0) + 30.0,
    "certificate_test": JOB_START_SECONDS + 10.0,
    "import_images": 60.0,
    "publish_runbooks": 60.0,
    "validate_runbooks": JOB_START_SECONDS + 30.0,
}


def imports_seconds(packages: int) -> float:
    """Return the seconds that the import of this number of packages takes, from the first request to the last
    package.
    """
    return (max(packages, 1) - 1) // IMPORTS_AT_ONCE * IMPORT_WINDOW_SECONDS + IMPORT_SECONDS


def step_seconds(name: str, *, is_job: bool) -> float:
    """Return the usual seconds of a step. `is_job` says whether Automation runs it."""
    if is_job:
        return JOB_START_SECONDS + _SECONDS.get(name, JOB_SECONDS)
    return _SECONDS.get(name, OWN_STEP_SECONDS)


def whole_seconds(steps: Iterable[tuple[str, bool]]) -> float:
    """Return the usual seconds of all steps, one after the other.

    `steps` has each name, and whether Automation runs the step.
    """
    return sum(step_seconds(name, is_job=is_job) for name, is_job in steps)
