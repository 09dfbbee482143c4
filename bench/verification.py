"""Measure what the verification of a signature adds to a job: processor time and memory, and each algorithm's time."""

import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

from bench.figures import Figure
from runbook_lib.trust.envelope import JWS
from runbook_lib.trust.signature import verify_envelope
from tests.support.notary_fixtures import NOW, cases
from vibedata.progress import WriteLine

ROOT = Path(__file__).resolve().parents[1]
ALGORITHMS = ("es256", "es384", "es512", "ps256", "ps384", "ps512")
RUNS, VERIFICATIONS = 5, 100
MEMORY_AIM_MB, FIRST_AIM_MS, NEXT_AIM_MS = 8, 100, 5

# This runs in a separate process, like a job, because a process gives no memory back and imports each module once. The
# peak is the kernel's VmHWM, because getrusage would also count the process that it was forked from.
PROGRAM = """
import importlib, json, time
from pathlib import Path

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))

for name in {before!r}:
    importlib.import_module(name)
memory, started = peak(), time.process_time()
from datetime import datetime
from runbook_lib.trust.signature import Subject, TrustPolicy, verify_envelope
verify_envelope(Path({file!r}).read_bytes(), {media_type!r}, subject=Subject(**{subject!r}),
    policy=TrustPolicy(roots=frozenset({roots!r}), identity={identity!r}), now=datetime.fromisoformat({now!r}))
print(json.dumps({{"milliseconds": (time.process_time() - started) * 1000, "kilobytes": peak() - memory}}))
"""
# A job has imported these modules before: its runbook, and the SDK that gets its tokens.
BEFORE = {"a job": ("runbooks.import_manifest", "azure.identity", "requests"), "a bare process": ("runbooks",)}


def measure(report: WriteLine) -> list[Figure]:
    """Verify the Notary Project's own signatures of each algorithm. Separate processes measure a first verification."""
    figures: list[Figure] = []
    for what, before in BEFORE.items():
        report(f"verifying one signature in {what}, {RUNS} times")
        runs = [_first(before) for _ in range(RUNS)]
        aimed = what == "a job"
        figures += [
            Figure(
                name=f"verification in {what}: first",
                value=round(median(run["milliseconds"] for run in runs), 1),
                unit="ms",
                aim=FIRST_AIM_MS if aimed else None,
                note=f"processor time, imports and all; ES256, three certificates; after {', '.join(before)}",
            ),
            Figure(
                name=f"verification in {what}: memory",
                value=round(median(run["kilobytes"] for run in runs) / 1024, 1),
                unit="MB",
                aim=MEMORY_AIM_MB if aimed else None,
                note="by how much the process's peak rises",
            ),
        ]
    report(f"verifying {len(ALGORITHMS)} algorithms, {VERIFICATIONS} times each")
    return figures + [_next(algorithm) for algorithm in ALGORITHMS]


def _first(before: tuple[str, ...]) -> dict[str, float]:
    case = cases()["es256-jws"]
    (policy,) = case.policies()
    subject = case.subject
    program = PROGRAM.format(
        before=before,
        file=str(case.folder / "signature.jws"),
        media_type=JWS,
        subject={"media_type": subject.media_type, "digest": subject.digest, "size": subject.size},
        roots=sorted(policy.roots),
        identity=policy.identity,
        now=NOW.isoformat(),
    )
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _next(algorithm: str) -> Figure:
    case = cases()[f"{algorithm}-jws"]
    (policy,), (envelope,) = case.policies(), case.envelopes.values()
    times = []
    for _ in range(VERIFICATIONS):
        started = process_time()
        verify_envelope(envelope, JWS, subject=case.subject, policy=policy, now=NOW)
        times.append((process_time() - started) * 1000)
    return Figure(
        name=f"verification, {algorithm.upper()}",
        value=round(median(times), 2),
        unit="ms",
        aim=NEXT_AIM_MS,
        note="processor time of each further one, its chain of three certificates included",
    )
