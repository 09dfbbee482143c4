"""`make proof`: prove the deployment in the lab, keep what was found in .proof, and write docs/proofs.md.

A run goes on where the last one stopped, as long as the product's sources are the same.
"""

import argparse
import signal
import sys
import time
from collections.abc import Sequence

from bench.proofs import page
from bench.proofs.cases import KILLED, RACE, TROUBLES, Prover, Record, cases
from bench.proofs.records import Records, records_of_today
from bench.proofs.world import world

PROOFS = (KILLED, *TROUBLES, RACE)
EXAMPLES = """\
examples:
  make proof                      all cases: a day of one processor
  make proof SHARD=2/8            every eighth case, beginning with the second; eight such runs are all
  make proof SECONDS=480          begin no case after 480 s; the next run goes on from there
  .venv/bin/python -m bench.proofs --only killed --seconds 480
  .venv/bin/python -m bench.proofs --page    write docs/proofs.md from what was found, and do nothing else
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Do cases, and return 0 if all that were ever done with these sources are good."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.proofs",
        description="Prove the deployment in the lab: killed at every request, with trouble at every request, raced.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--shard", type=_shard, default=(1, 1), metavar="I/N", help="do the Ith of N parts")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no case later than this")
    parser.add_argument("--only", action="append", choices=PROOFS, metavar="PROOF", help="may be repeated")
    parser.add_argument("--page", action="store_true", help="write docs/proofs.md alone")
    arguments = parser.parse_args(argv)
    records = records_of_today()
    # Like Ctrl-C: the lab is ended before the exit.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    if not arguments.page:
        _prove(records, arguments.shard, arguments.seconds, arguments.only or PROOFS)
    page.write(records)
    found = records.all()
    ill = [record for record in found if record.problems]
    _say(f"{len(found)} cases, {len(ill)} of them not as they must be; {page.PAGE.name} is written")
    return 1 if ill else 0


def _prove(records: Records, shard: tuple[int, int], seconds: float, proofs: Sequence[str]) -> None:
    """Do the cases of a shard that were not done yet."""
    index, count = shard
    name = f"{index}-of-{count}"
    deadline = time.monotonic() + seconds
    done = {(record.proof, record.number) for record in records.all()}
    with world() as made:
        prover = Prover(made)
        undisturbed = prover.undisturbed()
        _keep(records, undisturbed, name)
        if undisturbed.problems:
            return
        for place, case in enumerate(cases(undisturbed.requests)):
            if place % count != index - 1 or case in done or case[0] not in proofs:
                continue
            if time.monotonic() > deadline:
                return
            _keep(records, prover.prove(*case), name)


def _keep(records: Records, record: Record, shard: str) -> None:
    records.add(record, shard=shard)
    verdict = "; ".join(record.problems) or "as undisturbed"
    _say(f"{record.seconds:6.1f} s  {record.proof} {record.number} {record.where}: {verdict}")


def _shard(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise argparse.ArgumentTypeError(f"{text!r} is no part such as 2/8")
    return int(index), int(count)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
