"""`make bench`: measure, show each figure beside its aim, and keep them in bench/results.json.

A missed aim is not a failure, because figures depend on the machine and its load. If a measurement could not be made,
the command fails.
"""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from bench import (
    bootstrap,
    callbacks,
    demo,
    deployment,
    figures,
    health,
    imports,
    jobs,
    publish,
    request_counts,
    verification,
)
from bench.figures import Figure
from bench.rotations import certificates, credentials
from runbook_lib.errors import RunbookError
from vibedata.output import CommandError
from vibedata.progress import WriteLine

MEASUREMENTS: Mapping[str, Callable[[WriteLine], list[Figure]]] = {
    "jobs": jobs.measure,
    "imports": imports.measure,
    "requests": request_counts.measure,
    "publish": publish.measure,
    "bootstrap": bootstrap.measure,
    "health": health.measure,
    "verification": verification.measure,
    "rotation": credentials.measure,
    "certificates": certificates.measure,
    "callbacks": callbacks.measure,
    "deployment": deployment.measure,
    "demo": demo.measure,
}
EXAMPLES = """\
examples:
  make bench                                  everything, in some fifteen minutes
  .venv/bin/python -m bench --only imports    one measurement
  .venv/bin/python -m bench --only jobs --only demo

measurements:
  jobs         size of the built runbooks; each job's peak memory, and its CPU time to the first request
  imports      time of import_images over the critical path: 40 images; an import takes 6 s, a call to ARM 150 ms
  requests     requests of a first run and of a rerun: import_manifest; import_images, for 10, 40 and 160 images
  publish      time and requests of publish_runbooks in an empty, slow account: one wheel, a rerun, single wheels
  bootstrap    time, requests and memory of bootstrap_registry and of a rerun, for 60, 1,000 and 10,000 resources
  health       time of check_health over one probe's deadline, for 30 and 1,000 components, 1 % of which hang
  verification what a signature's verification adds to a job: memory, processor time, each algorithm
  callbacks    time to sign and verify a callback, over that of http-message-signatures
  rotation     requests and time of a rotation: the first key, the next one, the container registry token
  certificates time and requests of a first certificate, of a renewal, and of a run that finds nothing due
  deployment   a first deployment of 40 images with Azure's latencies: time over the critical path, requests; a rerun
  demo         wall time of `make demo` when everything is installed

Each measurement has labs of its own, in temporary folders. The labs are always ended.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and return 0 if all requested measurements could be made."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure what the runbooks cost, beside the project's aims. bench/results.json keeps the figures.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", action="append", choices=tuple(MEASUREMENTS), metavar="NAME", help="measure only this; repeatable"
    )
    names = parser.parse_args(argv).only or tuple(MEASUREMENTS)
    started = time.monotonic()
    # SIGTERM acts like Ctrl-C: the labs are ended before the exit.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))

    def report(line: str) -> None:
        sys.stderr.write(f"{time.monotonic() - started:6.1f} s  {line}\n")

    measured: list[Figure] = []
    code = 0
    for name in names:
        report(f"measuring {name}")
        try:
            measured += MEASUREMENTS[name](report)
        except (CommandError, RunbookError) as error:
            sys.stderr.write(f"{name} could not be measured: {error}\n  what to do: {error.remedy}\n")
            code = 1
    sys.stdout.write(figures.shown(measured))
    figures.keep(measured)
    report(f"done; the figures are in {figures.RESULTS}")
    return code


if __name__ == "__main__":
    sys.exit(main())
