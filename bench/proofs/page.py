"""Make docs/proofs.md from the records of the runs."""

from collections import Counter
from collections.abc import Iterable, Sequence

from bench.proofs.cases import (
    EVERY,
    KILLED,
    RACE,
    RACES,
    ROUNDS,
    TROUBLES,
    TURNS,
    WHOLE,
    Case,
    Record,
    cases_of_step,
    races,
)
from bench.proofs.chain import ACTS
from bench.proofs.records import Records
from bench.proofs.sources import ROOT

PAGE = ROOT / "docs" / "proofs.md"
MAX_CHARACTERS = 300
HEAD = f"""\
# Proofs

This page shows the results of `make proof`. The runs write it, and nobody writes a number by hand.

At the beginning the lab has only resources: nothing is published, and the customer's vault has no token. The release is
small and complete: one image, all runbooks, and the packages as one wheel. `vibedata deploy` with `--only` does one
step after the other, without trouble. Then `vibedata rotate-tls --now` renews the certificate until the vault has the
new one (`renewal`). The state of the lab is kept after each step. A case begins with the state before its step. The
command is a separate process. Everything else runs as jobs, from the built files. At the end the official clients read
everything, and it is compared with the state after the undisturbed step: images and signatures, blobs, tables, versions
of secrets, the token's passwords, runbooks with their content, environments with their packages, variables, schedules
and their links, and the locks; the records of the zone, the versions of the TLS certificate and its pending operation,
the gateway, the firewall policy, and how many certificates the authority has issued. Times, ids that are new each time,
and counts of looks are left out. The work of the following steps depends only on this state. Every write of a job in
the journal must have its event in the operations log. The log's chains must be complete, except at the ends of killed
runs.

A moment is the end of a request. Its name has the step, the request, and the count among similar requests of the step.
There is a moment after every write, and after the first of similar reads, because a read changes nothing. The command
of every step makes the same requests for its lock and its report. Only in the first step and the last step these
requests are moments.

- **{KILLED}**: the process that makes the request, the command or a job, gets SIGKILL after the request was carried
  out, and gets no answer. Then the same command is run again. It must succeed. Nobody waits 60 s for the lease of a
  dead holder: the lease is broken, which leaves the same state as its end. The claim of a dead process to send an order
  is ended in the same way. If the command was killed, its last job may still run. If a job was killed after its last
  change, the next run may see that nothing is left to do, and it starts no job. Then the instance does not report this
  step.
- **{WHOLE}**: at one moment of each step, chosen by its name, `vibedata deploy` continues from the
  step and is killed. Then it is run again with all steps. The result is compared with the state after all steps. Only
  the list of the reported steps may differ.
- **answer lost**, **connection reset**, **429**, **503**: every {EVERY}th of the similar requests of a step
  meets it, beginning with the first, second or third. The request is sent again, and this counts as a request, too. So
  {TURNS} runs together disturb every request. The run itself must succeed. An answer is lost after the request was
  carried out. A connection is reset before that.
- **{RACE}**: two deployments try to take the lock at the same time, as threads and as processes. One gets it, and the
  other is refused.

`make proof CASE='...'` does a case again by its name, such as `{Case("503", "import_images", "1")}`.
"""


def page(records: Records) -> str:
    """Return the page."""
    undisturbed = records.undisturbed()
    wanted = {step: set(_cases(undisturbed.get(step, ()), step)) for step in ACTS} | {"": set(races())}
    # Count only cases whose moment all undisturbed runs have.
    today = [record for record in records.today() if record.case in wanted[record.step]]
    earlier = [record for record in records.earlier() if record.case in wanted[record.step]]
    total, unseen = sum(map(len, wanted.values())), [step for step in ACTS if step not in undisturbed]
    lines = [
        HEAD,
        f"Sources `{records.sources}`. {_how_much(len(today), total, unseen)}",
        "",
        _told_undisturbed(undisturbed),
        "",
        "| step | proof | cases | done | met trouble | as undisturbed | not | done on earlier sources alone |",
        "|---|---|---|---|---|---|---|---|",
        *(
            _row(step, proofs, wanted[step], today, earlier)
            for step in (*ACTS, "")
            for proofs in (([KILLED], [WHOLE], list(TROUBLES)) if step else ([RACE],))
            if wanted[step]
        ),
        "",
        _told_killed([record for record in today if record.proof in (KILLED, WHOLE)]),
        *_told_problems(today, "## What was not as it must be"),
        *_told_problems(earlier, "## What was not as it must be on earlier sources"),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def write(records: Records) -> None:
    """Write the page."""
    PAGE.write_text(page(records), encoding="utf-8")


def _cases(undisturbed: Sequence[Record], step: str) -> Iterable[Case]:
    """Return the cases of a step. Its moments are those that all its undisturbed runs have in common."""
    if not undisturbed:
        return ()
    common = set.intersection(*(set(record.moments) for record in undisturbed))
    return cases_of_step(step, sorted(common))


def _how_much(done: int, total: int, unseen: Sequence[str]) -> str:
    if unseen:
        return f"**This is a part: {done:,} cases were done. Their number is not known yet for: {', '.join(unseen)}.**"
    return "Every case was done." if done == total else f"**This is a part: {done:,} of {total:,} cases were done.**"


def _row(
    step: str, proofs: Sequence[str], wanted: Iterable[Case], today: Sequence[Record], earlier: Sequence[Record]
) -> str:
    done = [record for record in today if record.step == step and record.proof in proofs]
    good = sum(not record.problems for record in done)
    met = sum(record.met for record in done)
    what = {KILLED: "killed", WHOLE: "killed", RACE: f"races of {RACES * ROUNDS:,}"}.get(proofs[0], "requests")
    before = sum(record.step == step and record.proof in proofs for record in earlier)
    cases = sum(case.proof in proofs for case in wanted)
    cells = [step, ", ".join(proofs), cases, len(done), f"{met:,} {what}", good, len(done) - good, before]
    return f"| {' | '.join(cell if isinstance(cell, str) else f'{cell:,}' for cell in cells)} |"


def _told_undisturbed(undisturbed: dict[str, list[Record]]) -> str:
    newest = [records[-1] for records in undisturbed.values()]
    if not newest:
        return "No undisturbed deployment was counted."
    made, writes = sum(record.made for record in newest), sum(record.writes for record in newest)
    ill = [f"{record.step}: {problem}" for record in newest for problem in record.problems]
    return (
        f"{len(newest)} undisturbed steps made {made:,} requests, {writes:,} of them writes. How often a run looks at "
        f"something that takes its time depends on the machine. {'**Not as they must be:** ' if ill else ''}"
        f"{_plain('; '.join(ill))}"
    ).rstrip()


def _told_killed(records: Sequence[Record]) -> str:
    counted = Counter(record.where for record in records if record.where)
    ended = sum(not record.met for record in records)
    who = ", ".join(f"{name} {count}" for name, count in sorted(counted.items()))
    more = f" {ended} runs had ended before the request that was meant." if ended else ""
    return f"Who was killed, and how often: {who}.{more}" if who else "Nobody was killed yet."


def _told_problems(records: Sequence[Record], heading: str) -> list[str]:
    ill = [record for record in records if record.problems]
    if not ill:
        return []
    lines = [f"- `{record.case}`, {record.where}: {_plain(problem)}" for record in ill for problem in record.problems]
    return ["", heading, "", *lines]


def _plain(problem: str) -> str:
    return " ".join(problem.replace("|", "/").split())[:MAX_CHARACTERS]
