"""The health report to the publisher: only names that the publisher itself gave, and states, whatever else is there."""

import json
from datetime import datetime, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.callbacks.payloads import PayloadRefusedError, to_json
from runbook_lib.component_registry.health_states import HEALTH_STATES
from runbook_lib.component_registry.schema import key_of
from runbook_lib.health.rules import Health, OwnHealth
from runbook_lib.health.summary import health_summary
from runbook_lib.release.manifest import from_document
from runbook_lib.vault.credential_states import TLS_CERTIFICATE, CredentialState
from tests.support.manifest_maker import document

AT = "2026-11-25T10:00:00.000000Z"
CANARY = "db.contoso.example"
# A server, an address or a person who writes to the table may bring such texts.
THEIRS = st.one_of(st.text(), st.sampled_from([CANARY, f"application/{CANARY}", "observability/alert-rules", "api"]))


def health(state: Any, reason: str = "") -> Health:
    return Health(state=state, reason=reason, own=OwnHealth(state, 0, reason))


def told(healths: dict[str, Health], manifest: dict[str, Any] | None) -> dict[str, Any]:
    summary = health_summary(
        healths, None if manifest is None else from_document(manifest), (), instance_id="i-1", at=AT
    )
    return dict(json.loads(to_json(summary)))


MANIFEST = document()
TARGETS = {f"{each['type']}/{key_of(each['name'])}": each for each in MANIFEST["components"]}


@given(
    st.dictionaries(THEIRS, st.tuples(st.sampled_from(HEALTH_STATES), THEIRS)),
    st.dictionaries(st.sampled_from(sorted(TARGETS)), st.tuples(st.sampled_from(HEALTH_STATES), THEIRS)),
    st.booleans(),
)
def test_names_are_the_manifests_and_reasons_stay(
    theirs: dict[str, tuple[str, str]], ours: dict[str, tuple[str, str]], readable: bool
) -> None:
    healths = {target: health(*each) for target, each in (theirs | ours).items()}
    seen = told(healths, MANIFEST if readable else None)
    assert CANARY not in json.dumps(seen)
    components = seen.pop("components")
    allowed = [{"name": each["name"], "type": each["type"], "version": each["version"]} for each in TARGETS.values()]
    assert all({**each, "health": ""} in [{**one, "health": ""} for one in allowed] for each in components)
    if readable:
        assert {f"{each['type']}/{key_of(each['name'])}": each["health"] for each in components} == {
            target: each.state for target, each in healths.items() if target in TARGETS
        }
        assert sum(seen[state] for state in HEALTH_STATES) == len(components)
    else:
        assert (components, seen["release_version"]) == ([], "")


def test_counts_names_and_versions() -> None:
    healths = {"application/api": health("healthy"), "infrastructure/storage": health("unhealthy", CANARY)}
    assert told({**healths, "application/gone": health("unknown")}, MANIFEST) == {
        "instance_id": "i-1",
        "at": AT,
        "release_version": "2026.11.0",
        "unknown": 0,
        "healthy": 1,
        "degraded": 0,
        "unhealthy": 1,
        "components": [
            {"name": "api", "type": "application", "version": "1.4.2", "health": "healthy"},
            {"name": "storage", "type": "infrastructure", "version": "1", "health": "unhealthy"},
        ],
        "certificate_not_after": "",
    }


def test_the_end_of_the_certificate_is_told() -> None:
    end = datetime(2027, 2, 27, 10, tzinfo=timezone.utc)
    states = [
        CredentialState(kind=kind, id="x", state="enabled", expires=end) for kind in ("hmac-key", TLS_CERTIFICATE)
    ]
    assert health_summary({}, None, states[:1], instance_id="i-1", at=AT).certificate_not_after == ""
    summary = health_summary({}, None, states, instance_id="i-1", at=AT)
    assert summary.certificate_not_after == "2027-02-27T10:00:00.000000Z"


def test_without_a_manifest_components_are_counted_and_what_watches_is_not() -> None:
    watching = {"observability/schedule": health("degraded")}
    seen = told({"application/api": health("healthy"), **watching}, None)
    assert [seen[state] for state in HEALTH_STATES] == [0, 1, 0, 0]


def test_a_version_that_may_not_leave_is_left_out() -> None:
    components = [{**MANIFEST["components"][0], "version": "1 (of Monday)"}]
    seen = told({"infrastructure/storage": health("healthy")}, document(components=components, runbooks=[]))
    assert [each["version"] for each in seen["components"]] == [""]


def test_more_than_may_be_told_is_refused() -> None:
    crowd = {f"application/c{number}": health("healthy") for number in range(1001)}
    try:
        told(crowd, None)
    except PayloadRefusedError:
        return
    raise AssertionError("a count beyond the cap was told")
