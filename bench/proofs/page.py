"""docs/proofs.md, from the records of the runs."""

from collections import Counter
from collections.abc import Sequence

from bench.proofs.cases import KILLED, RACE, RACES, ROUNDS, STRIDE, TROUBLES, UNDISTURBED, Record
from bench.proofs.records import ROOT, Records

PAGE = ROOT / "docs" / "proofs.md"
MAX_CHARACTERS = 300
HEAD = """\
# Proofs

What runs of `make proof` have found. The page is made by these runs; no number is written by hand.

Each case has a lab that begins with resources alone: nothing is published, and the customer's vault has no token. The
release is small and whole: one image, all runbooks, and the packages as one wheel. `vibedata deploy` is started as a
process of its own; all else runs as jobs, from the built files. The requests of both are counted together, as the lab's
journal has them. At the end everything is read with the official clients and compared with what an undisturbed
deployment leaves: images and signatures, blobs, tables, versions of secrets, the token's passwords, runbooks with their
content, environments with their packages, variables, schedules and their links, and the locks. Times, ids that are
new each time, and counts of looks are left out. Every write of a job in the journal must have its event in the
operations log, and the log's chains must be whole but for the ends of runs that were killed.

- **killed**: whoever makes the nth request, the command or a job, gets SIGKILL when the request was carried out, and no
  answer. Then the same command is run again. It must succeed. Nobody waits 60 s for a dead holder's lease: it is
  broken, which leaves the same as its end. Where the command was killed, its last job may still run.
- **answer lost**, **connection reset**, **429**, **503**: each {stride}th request meets it, beginning with the nth. So
  {stride} runs meet every request of a deployment, and retries too. The run itself must succeed. An answer is lost when
  the request was carried out; a connection is reset before.
- **race**: two deployments try to take the lock at once, as threads and as processes: one has it, and the other is
  refused.
"""


def page(records: Records) -> str:
    """Return the page."""
    found = records.all()
    undisturbed = [record for record in found if record.proof == UNDISTURBED]
    most = max((record.requests for record in undisturbed), default=0)
    totals = {KILLED: most, **dict.fromkeys(TROUBLES, STRIDE), RACE: RACES}
    rows = [_row(proof, total, [each for each in found if each.proof == proof]) for proof, total in totals.items()]
    done, total = sum(min(row[2], row[1]) for row in rows), sum(totals.values())
    whole = "Every case was done." if done >= total else f"**This is a part: {done:,} of {total:,} cases were done.**"
    lines = [
        HEAD.format(stride=STRIDE),
        f"Sources `{records.sources}`. {whole}",
        "",
        _told_undisturbed(undisturbed),
        "",
        "| proof | cases | done | met trouble | as undisturbed | not |",
        "|---|---|---|---|---|---|",
        *(f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows),
        "",
        _told_killed([record for record in found if record.proof == KILLED]),
        *_told_problems(found),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def write(records: Records) -> None:
    """Write the page."""
    PAGE.write_text(page(records), encoding="utf-8")


def _row(proof: str, total: int, records: Sequence[Record]) -> tuple[str, int, int, str, int, int]:
    """Return the row: cases, those done, what met trouble, those with the same end, and those without."""
    good = sum(not record.problems for record in records)
    met = sum(record.met for record in records)
    what = {KILLED: "killed", RACE: f"races of {RACES * ROUNDS:,}"}.get(proof, "requests")
    return proof, total, len(records), f"{met:,} {what}", good, len(records) - good


def _cell(cell: str | int) -> str:
    return cell if isinstance(cell, str) else f"{cell:,}"


def _told_undisturbed(records: Sequence[Record]) -> str:
    if not records:
        return "No undisturbed deployment was counted."
    requests = sorted(record.requests for record in records)
    writes = sorted(record.writes for record in records)
    return (
        f"{len(records)} undisturbed deployments made {requests[0]:,} to {requests[-1]:,} requests, "
        f"{writes[0]} to {writes[-1]} of them writes. How often a run looks at something that takes its time depends "
        "on the machine."
    )


def _told_killed(records: Sequence[Record]) -> str:
    counted = Counter(record.where for record in records if record.where)
    ended = sum(not record.met for record in records)
    who = ", ".join(f"{name} {count}" for name, count in sorted(counted.items()))
    more = f" {ended} runs had ended before the request that was meant." if ended else ""
    return f"Who was killed, and how often: {who}.{more}" if who else "Nobody was killed yet."


def _told_problems(records: Sequence[Record]) -> list[str]:
    ill = [record for record in records if record.problems]
    if not ill:
        return []
    lines = [
        f"- {record.proof} {record.number} {record.where}: {_plain(problem)}"
        for record in ill
        for problem in record.problems
    ]
    return ["", "## What was not as it must be", "", *lines]


def _plain(problem: str) -> str:
    return " ".join(problem.replace("|", "/").split())[:MAX_CHARACTERS]
