"""A small measurement, as `make bench` makes it: build, push, publish and jobs in a separate lab."""

import json
import os
from pathlib import Path

import pytest

from bench import callbacks, figures, request_counts, verification
from bench.__main__ import MEASUREMENTS, main
from bench.figures import Figure


def test_requests_of_a_small_release_are_counted() -> None:
    before, told = dict(os.environ), list[str]()
    *manifests, first, again = request_counts.measure(told.append, counts=(2,))
    assert dict(os.environ) == before
    assert told
    assert first.name == "requests of a first run, 2 images"
    # Each imported artifact needed one call to ARM. The rerun asks ARM for nothing.
    assert "arm POST" in first.note
    assert "arm" not in again.note
    assert first.value > again.value > 2
    assert again.aim == pytest.approx(1.2 * 2 + 15)
    # A signature is verified at two container registries and in storage. Each verification needs a few requests.
    assert [figure.name for figure in manifests] == [
        f"requests of import_manifest, {run}" for run in ("first run", "rerun")
    ]
    assert 15 < manifests[1].value < manifests[0].value < 90


def test_a_verification_is_measured_in_a_process_of_its_own() -> None:
    told = list[str]()
    measured = {figure.name: figure for figure in verification.measure(told.append)}
    assert told
    in_a_job, bare = (
        [measured[f"verification in {what}: {figure}"].value for figure in ("first", "memory")]
        for what in ("a job", "a bare process")
    )
    # A job has imported some modules anyway. The memory for these does not count as the verification's.
    assert 0 < in_a_job[1] < bare[1]
    assert all(measured[f"verification, {name.upper()}"].value > 0 for name in verification.ALGORITHMS)


def test_signing_is_measured_beside_the_public_library() -> None:
    told = list[str]()
    each, ratio = callbacks.measure(told.append, rounds=3, requests=20)
    assert told
    assert (each.unit, each.aim) == ("us", None)
    assert 0 < ratio.value < 1
    assert ratio.aim == pytest.approx(1 / 5)
    assert "times as fast" in ratio.note


def test_figures_are_shown_and_kept_beside_their_aims(tmp_path: Path) -> None:
    measured = [
        Figure(name="file", value=150.5, unit="KiB", aim=300, limit=1024, note="one"),
        Figure(name="ratio", value=1.5, unit="", aim=1.15),
        Figure(name="count", value=1000, unit="", aim=None),
    ]
    assert [figure.met for figure in measured] == [True, False, True]
    shown = figures.shown(measured)
    assert "150.50 KiB" in shown
    assert "1024 KiB" in shown
    assert "NO" in shown
    kept = tmp_path / "results.json"
    figures.keep(measured, kept)
    assert [(each["name"], each["met"]) for each in json.loads(kept.read_text())["figures"]] == [
        ("file", True),
        ("ratio", False),
        ("count", True),
    ]


def test_help_names_every_measurement(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "examples:" in said
    assert all(f"  {name} " in said for name in MEASUREMENTS)
