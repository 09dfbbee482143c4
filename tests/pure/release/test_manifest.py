"""Read a release manifest: the result, and texts that are not manifests."""

import json
from datetime import datetime, timezone

import pytest

from runbook_lib.errors import RunbookError
from runbook_lib.release import manifest as release_manifest
from runbook_lib.release.manifest import parse
from tests.support.manifest_maker import DOCUMENT, code_of, component_with, document


def test_a_whole_manifest_is_read() -> None:
    manifest = parse(json.dumps(DOCUMENT).encode())
    assert manifest.version == "2026.11.0"
    assert manifest.expires_at == datetime(2027, 11, 1, 0, 0, 0, 500_000, tzinfo=timezone.utc)
    assert [pin.tag for pin in manifest.pins] == ["1.4.2", "1.4.2", "2026.11.0", "2026.11.0", "2026.11.0"]
    assert manifest.images[1].size == 9000
    assert manifest.runbooks[0].mandatory
    assert manifest.components[1].depends_on == ("storage",)
    assert manifest.components[1].health.expected_status == 200
    assert manifest.components[0].health.kind == "none"
    assert manifest.network_retry_policies.delay_seconds == 2.0


def test_a_message_shows_what_does_not_show() -> None:
    with pytest.raises(RunbookError, match=r"\\u3164"):
        parse(json.dumps(component_with(version="1\u3164")).encode())
    with pytest.raises(RunbookError, match=r"\\xad"):
        parse(json.dumps(document(**{"ver\u00adsion": 1})).encode())


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "VD-MANIFEST-002"),
        (b"not json", "VD-MANIFEST-002"),
        (b"\xff\xfe", "VD-MANIFEST-002"),
        (b'{"schema_version": 1, "schema_version": 1}', "VD-MANIFEST-002"),
        (b'{"schema_version": NaN}', "VD-MANIFEST-002"),
        (b'{"schema_version": 1e999}', "VD-MANIFEST-002"),
        (b'{"schema_version": ' + b"9" * 5000 + b"}", "VD-MANIFEST-002"),
        (b"[" * 100_000, "VD-MANIFEST-002"),
        (b'{"schema_version": 2}', "VD-MANIFEST-004"),
        (b'{"schema_version": true}', "VD-MANIFEST-002"),
        (b" " * (release_manifest.MAX_MANIFEST_BYTES + 1), "VD-MANIFEST-003"),
    ],
    ids=lambda value: value[:20].decode(errors="replace") if isinstance(value, bytes) else None,
)
def test_what_is_no_manifest_is_refused_by_its_code(content: bytes, code: str) -> None:
    assert code_of(content) == code


def test_the_message_names_the_place_and_not_the_whole_value() -> None:
    broken = document()
    broken["images"][1]["digest"] = "md5:" + "0" * 10_000
    with pytest.raises(RunbookError, match=r"images\[1\]\.digest takes a text like sha256:") as caught:
        parse(json.dumps(broken).encode())
    assert len(caught.value.message) < 250
