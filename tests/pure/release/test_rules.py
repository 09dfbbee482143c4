"""Contradictions that a manifest must not have, and the releases that may be installed over another."""

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from runbook_lib.basics.digest import digest_from_hex
from runbook_lib.errors import RunbookError
from runbook_lib.release import manifest as release_manifest
from runbook_lib.release.manifest import parse
from runbook_lib.release.model import ReleaseId, version_key
from runbook_lib.release.obstacles import check_installable, newer_or_same_version
from tests.support.manifest_maker import DOCUMENT, VALIDATOR, code_of, document


def _broken(name: str) -> dict[str, Any]:
    broken = document()
    components = broken["components"]
    if name == "a name twice among images":
        broken["images"].append({**broken["images"][0], "tag": "other"})
    elif name == "an image called like a runbook":
        broken["images"][0]["name"] = "Import_Images"
        components[1]["artifact"] = None
    elif name == "a component twice, in another case":
        components.append({**components[0], "name": "STORAGE"})
    elif name == "two bills of materials":
        broken["documents"].append({**broken["documents"][0], "tag": "other"})
    elif name == "a tag with two digests":
        broken["images"][1] |= {"repository": "vibedata/api", "digest": "sha256:" + "c" * 64}
    elif name == "a pin over the release manifest's own tags":
        broken["images"][1] |= {"repository": "vibedata/release-manifest", "tag": "latest"}
    elif name == "an artifact that is not there":
        components[1]["artifact"] = "nothing"
    elif name == "a dependency that is not there":
        components[1]["depends_on"] = ["nothing"]
    elif name == "a component that waits for itself":
        components[1]["depends_on"] = ["api"]
    elif name == "a circle":
        components[0]["depends_on"] = ["importer"]
    else:
        assert name == "an end before its beginning"
        broken["expires_at"] = broken["created_at"]
    return broken


@pytest.mark.parametrize(
    "name",
    [
        "a name twice among images",
        "an image called like a runbook",
        "a component twice, in another case",
        "two bills of materials",
        "a tag with two digests",
        "a pin over the release manifest's own tags",
        "an artifact that is not there",
        "a dependency that is not there",
        "a component that waits for itself",
        "a circle",
        "an end before its beginning",
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(name: str) -> None:
    broken = _broken(name)
    assert VALIDATOR.is_valid(broken)
    assert code_of(broken) == "VD-MANIFEST-005"


def test_a_circle_is_shown() -> None:
    with pytest.raises(RunbookError, match=r"(storage|api|importer) -> (storage|api|importer) -> "):
        parse(json.dumps(_broken("a circle")).encode())


def test_one_image_may_stand_under_two_names() -> None:
    twice = document()
    twice["images"].append({**twice["images"][0], "name": "worker"})
    assert len(parse(json.dumps(twice).encode()).images) == 3


def test_a_long_chain_of_dependencies_is_no_circle() -> None:
    count = release_manifest.MAX_COMPONENTS
    components = [
        {"name": f"c{number}", "type": "agent", "version": "1", "depends_on": [f"c{number + 1}"][: count - 1 - number]}
        for number in range(count)
    ]
    assert len(parse(json.dumps(document(components=components)).encode()).components) == count


def test_versions_are_compared_number_by_number() -> None:
    assert sorted(["2026.11.0", "2026.9.12", "2026.9.2"], key=version_key) == ["2026.9.2", "2026.9.12", "2026.11.0"]


NOW = datetime(2026, 11, 23, tzinfo=timezone.utc)
MANIFEST = parse(json.dumps(DOCUMENT).encode())
OFFERED = ReleaseId("2026.11.0", digest_from_hex("d" * 64))


def installable(*installed: ReleaseId, now: datetime = NOW, allow_downgrade: bool = False) -> str:
    """Return the code of the refusal, "" for none."""
    try:
        check_installable(
            OFFERED, expires_at=MANIFEST.expires_at, installed=installed, now=now, allow_downgrade=allow_downgrade
        )
    except RunbookError as error:
        return error.code
    return ""


def test_a_release_may_be_installed_first_again_and_over_an_older_one() -> None:
    assert installable() == ""
    assert installable(OFFERED) == ""
    assert installable(ReleaseId("2026.9.9", digest_from_hex("e" * 64)), OFFERED) == ""


def test_what_could_stand_in_the_way_is_as_new_or_newer() -> None:
    own, other = ReleaseId("2026.11.0", digest_from_hex("a" * 64)), ReleaseId("2026.11.0", digest_from_hex("b" * 64))
    older, newer = ReleaseId("2026.9.0", digest_from_hex("c" * 64)), ReleaseId("2026.12.0", digest_from_hex("d" * 64))
    assert newer_or_same_version(own, (older, own, other, newer)) == (newer, other)


def test_an_older_release_is_installed_only_if_that_is_said() -> None:
    newer = ReleaseId("2026.11.1", digest_from_hex("e" * 64))
    assert installable(newer) == "VD-MANIFEST-007"
    assert installable(newer, OFFERED) == "VD-MANIFEST-007"
    assert installable(newer, allow_downgrade=True) == ""


def test_a_version_has_one_content_for_ever() -> None:
    other = ReleaseId("2026.11.0", digest_from_hex("e" * 64))
    assert installable(other) == "VD-MANIFEST-008"
    assert installable(other, allow_downgrade=True) == "VD-MANIFEST-008"


def test_a_release_expires_at_the_very_moment() -> None:
    assert installable(now=MANIFEST.expires_at - timedelta(microseconds=1)) == ""
    assert installable(now=MANIFEST.expires_at) == "VD-MANIFEST-006"


def test_nothing_of_a_manifest_can_be_changed() -> None:
    with pytest.raises(AttributeError):
        MANIFEST.version = "2"  # type: ignore[misc]
    assert replace(MANIFEST, version="2026.12.0").version == "2026.12.0"
