"""`make proof`: prove the deployment in the lab, keep what was found in .proof, and write docs/proofs.md.

A run continues where the last run stopped: it does the cases that were not done yet with the present sources.
"""

import argparse
import signal
import sys
import time
from collections.abc import Sequence

from bench.proofs import page
from bench.proofs.cases import (
    KILLED,
    RACE,
    TROUBLES,
    UNDISTURBED,
    WHOLE,
    Case,
    Prover,
    Record,
    case_of,
    cases_of_step,
    races,
)
from bench.proofs.chain import ACTS
from bench.proofs.records import FOLDER, Records
from bench.proofs.sources import digest_of_today
from bench.proofs.world import world

PROOFS = (KILLED, WHOLE, *TROUBLES, RACE)
EXAMPLES = f"""\
examples:
  make proof                      all cases: some hours of one processor
  make proof SHARD=2/8            an eighth of them; eight such runs do all
  make proof SECONDS=480          begin no case after 480 s; the next run goes on from there
  make proof CASE='503 / import_images / 1'     one case, even if it was done before
  .venv/bin/python -m bench.proofs --only killed --step import_images --seconds 480
  .venv/bin/python -m bench.proofs --page       write docs/proofs.md from what was found, and do nothing else

PROOF is one of: {", ".join(PROOFS)}.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Do cases, and return 0 if all cases that were ever done with these sources are good."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.proofs",
        description="Kill a deployment in the lab at every request, disturb every request, and race for its lock.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--shard", type=_shard, default=(1, 1), metavar="I/N", help="do the Ith of N parts")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no case later than this")
    parser.add_argument("--only", action="append", choices=PROOFS, metavar="PROOF", help="do only this; repeatable")
    parser.add_argument("--step", action="append", choices=ACTS, metavar="STEP", help="do only this step; repeatable")
    parser.add_argument("--case", type=case_of, help="do this case, by its name in docs/proofs.md, and no other")
    parser.add_argument("--page", action="store_true", help="only write docs/proofs.md")
    arguments = parser.parse_args(argv)
    records = Records(folder=FOLDER, sources=digest_of_today())
    # SIGTERM acts like Ctrl-C: the lab is ended before the exit.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    if not arguments.page:
        _prove(records, arguments)
    page.write(records)
    ill = [record for record in records.today() if record.problems]
    _say(f"{len(records.today())} cases, {len(ill)} of them with problems; {page.PAGE.name} is written")
    return 1 if ill else 0


def _prove(records: Records, arguments: argparse.Namespace) -> None:
    """Do the requested case, or the cases of a shard that were not done yet."""
    index, count = arguments.shard
    name = f"{index}-of-{count}"
    deadline = time.monotonic() + arguments.seconds
    with world() as made:
        prover = Prover(made)
        if arguments.case is not None:
            _keep(records, prover.prove(arguments.case), name)
            return
        done = {record.case for record in records.today()}
        for case in _cases(prover, records, arguments, name):
            if case.turn % count == index - 1 and case not in done and time.monotonic() < deadline:
                _keep(records, prover.prove(case), name)


def _cases(prover: Prover, records: Records, arguments: argparse.Namespace, shard: str) -> list[Case]:
    """Return the cases of the requested proofs and steps, in the order in which they are done.

    This is the order of a digest of their names. So the first cases are a sample, and it is the same in each run.
    """
    proofs, steps = arguments.only or PROOFS, arguments.step or ACTS
    found = list(races())
    # A race needs no step. Any other case also needs the steps before its own step.
    for step in ACTS[: max(map(ACTS.index, steps)) + 1] if set(proofs) != {RACE} else ():
        undisturbed = prover.undisturbed(step)
        _keep(records, undisturbed, shard)
        if undisturbed.problems:
            break
        if step in steps:
            found += cases_of_step(step, undisturbed.moments)
    return sorted((case for case in found if case.proof in proofs), key=lambda case: case.turn)


def _keep(records: Records, record: Record, shard: str) -> None:
    records.add(record, shard=shard)
    name = f"{UNDISTURBED} {record.step}" if record.proof == UNDISTURBED else str(record.case)
    _say(f"{record.seconds:6.1f} s  {name}: {'; '.join(record.problems) or 'as undisturbed'}")


def _shard(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise argparse.ArgumentTypeError(f"{text!r} is no part such as 2/8")
    return int(index), int(count)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
