"""The values that a first deployment is compared with: the latencies in sequence, and everything in sequence."""

import pytest

from bench.deployment import Deployment, critical_path_seconds, sequential_seconds
from oci.packages.lock import LOCK
from oci.packages.package_lock import parse

IMPORT = {"method": "POST", "path": "/registries/a/importImage?api-version=1", "job_id": "1", "seconds": 0.15}
POLL = {"method": "GET", "path": "/jobs/1", "job_id": None, "seconds": 0.5}


def deployment(chain: list[str], trials: list[str]) -> Deployment:
    return Deployment(seconds=1.0, requests=[IMPORT, IMPORT, POLL, POLL, POLL], chain=chain, trials=trials)


def test_trials_queue_side_by_side_and_imports_by_stages() -> None:
    one = deployment(["check_health"], [])
    assert critical_path_seconds(one) == pytest.approx(60 + 30.15)
    tried = deployment(["import_manifest", "import_images", "validate_runbooks"], ["check_health"] * 8)
    assert critical_path_seconds(tried) == pytest.approx(60 + 4 * 30.15 + 4 * 6.15)


def test_one_after_the_other_has_single_wheels() -> None:
    wheels = len(parse(LOCK.read_text(encoding="utf-8")))
    assert wheels > 20
    tried = deployment(["validate_runbooks"], ["check_health"] * 8)
    assert sequential_seconds(tried) == pytest.approx(0.8 + 2 * 6 + wheels * 60 + 9 * 30)
