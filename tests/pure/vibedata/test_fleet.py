"""The output of `vibedata fleet status`: lines, verdict and page, as a pure function of facts."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from publisher.certificates.record import Issuance
from publisher.instances.reported import Reported
from publisher.rotation.record import Rotation
from runbook_lib.basics.clock import rfc3339
from runbook_lib.callbacks.payloads import DeploymentProgress, HealthSummary
from runbook_lib.errors import azure, publisher
from tests.support.instance_documents import instance
from vibedata.fleet.facts import Known, Line, line, verdict
from vibedata.fleet.page import page
from vibedata.fleet.text import on_screen, text
from vibedata.lines import plain, wrapped
from vibedata.status.facts import Level

AT = datetime(2026, 11, 23, 11, 30, tzinfo=timezone.utc)
HOSTILE = '</title><script>alert(1)</script>\x1b[2J\u202e "&'


def ago(**passed: float) -> str:
    return rfc3339(AT - timedelta(**passed))


def health(**fields: Any) -> HealthSummary:
    given: dict[str, Any] = {"healthy": 3, "degraded": 0, "unhealthy": 0, "unknown": 0, "at": ago(minutes=20), **fields}
    release = given.pop("release_version", "2026.11.0")
    return HealthSummary(instance_id="k3v9x2p7", release_version=release, components=(), **given)


def deployment(**fields: Any) -> DeploymentProgress:
    given: dict[str, Any] = {
        "at": ago(days=3),
        "correlation_id": "0" * 8 + "-0000-4000-8000-" + "0" * 12,
        "release_version": "2026.11.0",
        "step": "check_health",
        "status": "succeeded",
        "error_code": "",
        "duration_ms": 1000,
        **fields,
    }
    return DeploymentProgress(instance_id="k3v9x2p7", **given)


def certificate(*, days_left: int) -> Issuance:
    """Return an issuance whose certificate lives for 90 days."""
    end = AT + timedelta(days=days_left, hours=1)
    return Issuance(
        instance_id="k3v9x2p7",
        number=1,
        rotation_id="r-1",
        host="k3v9x2p7.vibedata.ai",
        certificate_id="a.b",
        not_before=rfc3339(end - timedelta(days=90)),
        not_after=rfc3339(end),
        installed_at=rfc3339(end - timedelta(days=90)),
    )


def known(*, reports: dict[str, Any] | None = None, **fields: Any) -> Known:
    made = Known(
        instance=instance(),
        reported=Reported(**{"health": health(), "deployment": deployment(), **(reports or {})}),
        key_in_use=True,
        token_expires=AT + timedelta(days=120, hours=5),
        certificate=certificate(days_left=70),
        waiting=(),
        troubles=(),
    )
    return replace(made, **fields)


def shown(**fields: Any) -> Line:
    return line(known(**fields), AT)


def concerns(made: Line) -> list[tuple[Level, str]]:
    return [(note.level, note.text) for note in made.concerns]


def test_an_instance_that_is_well() -> None:
    made = shown()
    assert (made.level, made.concerns) == (Level.WELL, ())
    assert (made.release, made.health) == ("2026.11.0", "3 healthy, 20 min ago")
    assert made.deployment == "check_health succeeded, 3 days ago"
    assert (made.credentials, made.rotations) == ("token 120 d left, key in use, certificate 70 d left", "none")


OPEN = Rotation(instance_id="k3v9x2p7", number=1, rotation_id="r-1", credential_id="c", started_at=ago(hours=5))


@pytest.mark.parametrize(
    ("fields", "level", "words"),
    [
        ({"reports": {"health": health(unhealthy=1)}}, Level.ILL, "1 component is unhealthy"),
        ({"reports": {"health": health(degraded=2)}}, Level.ATTENTION, "2 components are degraded"),
        ({"reports": {"health": health(at=ago(hours=3))}}, Level.UNKNOWN, "it last reported its health 3 h ago"),
        (
            {"reports": {"health": health(at="8999-12-31T23:59:59.000000Z")}},
            Level.UNKNOWN,
            "its health report is dated in the future, in 2546874 days: nobody knows how old it is",
        ),
        ({"reports": {"health": None}}, Level.UNKNOWN, "it has never reported its health"),
        (
            {"reports": {"health": health(release_version="2026.10.0")}},
            Level.ATTENTION,
            "release 2026.10.0 is installed, and 2026.11.0 is wanted",
        ),
        (
            {"reports": {"deployment": deployment(status="failed", step="import_images", error_code="VD-IMPORT-003")}},
            Level.ATTENTION,
            "the last deployment failed at import_images with VD-IMPORT-003, 3 days ago",
        ),
        (
            {"token_expires": AT + timedelta(days=12)},
            Level.ATTENTION,
            "the container registry token expires in 12 days",
        ),
        ({"token_expires": AT - timedelta(hours=1)}, Level.ILL, "the container registry token has expired"),
        ({"certificate": certificate(days_left=-1)}, Level.ILL, "the TLS certificate has expired"),
        (
            {"key_in_use": False},
            Level.ATTENTION,
            "the publisher accepts no current HMAC key: the instance cannot report",
        ),
        (
            {"waiting": (("rotate-hmac", OPEN),)},
            Level.ATTENTION,
            "a rotation waits to be finished, begun 5 h ago",
        ),
        (
            {"troubles": (azure.REQUEST_REFUSED.error("403"),)},
            Level.UNKNOWN,
            f"VD-NET-003: {azure.REQUEST_REFUSED.error('403').message}",
        ),
    ],
)
def test_each_concern_has_its_level_and_its_words(fields: dict[str, Any], level: Level, words: str) -> None:
    made = shown(**fields)
    assert made.level is level
    assert (level, words) in concerns(made)


def test_another_certificate_than_the_one_that_was_ordered_is_a_concern() -> None:
    ordered = certificate(days_left=70)
    told = health(certificate_not_after=ordered.not_after)
    assert shown(certificate=ordered, reports={"health": told}).concerns == ()
    told = health(certificate_not_after=certificate(days_left=300).not_after)
    made = shown(certificate=ordered, reports={"health": told})
    ((level, words),) = concerns(made)
    assert (level, words.partition(" until ")[0]) == (Level.ATTENTION, "its vault reports a certificate")
    assert made.credentials.endswith(", certificate 300 d left")
    # The report is older than the installation: it speaks of the former certificate.
    renewed = replace(ordered, installed_at=ago(minutes=5))
    assert shown(certificate=renewed, reports={"health": told}).concerns == ()


def test_a_certificate_is_a_concern_only_if_its_renewal_is_late() -> None:
    assert shown(certificate=certificate(days_left=40)).concerns == ()
    ((level, words),) = concerns(shown(certificate=certificate(days_left=10)))
    assert level is Level.ATTENTION
    assert words.startswith("the renewal of the TLS certificate was due ")
    assert words.endswith(" and it expires in 10 days")
    told = health(certificate_not_after=certificate(days_left=40).not_after)
    none = shown(certificate=None, reports={"health": told})
    assert none.concerns == () and none.credentials.endswith(", certificate 40 d left")
    none = shown(certificate=None)
    assert none.concerns == () and none.credentials.endswith(", no certificate")


def test_the_worst_comes_first_and_a_remedy_names_the_instance() -> None:
    made = shown(token_expires=AT - timedelta(days=1), reports={"health": health(degraded=1)}, key_in_use=False)
    assert [note.level for note in made.concerns] == [Level.ILL, Level.ATTENTION, Level.ATTENTION]
    assert "vibedata rotate-acr-token --instance k3v9x2p7" in made.concerns[0].remedy
    assert made.credentials == "token expired, no key, certificate 70 d left"


def test_a_token_that_no_rotation_has_brought_is_unknown_and_never_good() -> None:
    assert shown(token_expires=None).credentials == "token unknown, key in use, certificate 70 d left"


def test_a_deployment_that_failed_tells_no_installed_release() -> None:
    failed = deployment(status="failed", release_version="2026.12.0")
    assert shown(reports={"health": None, "deployment": failed}).release == "unknown (2026.11.0 wanted)"
    assert shown(reports={"health": None}).release == "2026.11.0"


def test_the_verdict_counts_and_names_whose_concern_it_is() -> None:
    lines = [shown(), shown(key_in_use=False), shown(reports={"health": None})]
    whole = verdict(lines, [publisher.ROW_MALFORMED.error(target="x")])
    assert whole.headline == "3 instances: 1 unknown, 1 in need of attention, 1 well"
    assert whole.level is Level.UNKNOWN
    assert next(note.text.partition(":")[0] for note in whole.notes) == "Contoso B.V."
    assert verdict([shown()], []).level is Level.WELL
    nothing = verdict([], [])
    assert (nothing.level, nothing.headline) == (Level.UNKNOWN, "No instance is recorded")


def test_text_has_one_line_an_instance() -> None:
    lines = [shown(), shown(waiting=(("rotate-hmac", OPEN),))]
    told = text(lines, verdict(lines, [])).splitlines()
    assert sum(each.startswith("Contoso B.V.  k3v9x2p7  early") for each in told) == 2
    assert len({each.index("2026.11.0") for each in told if each.startswith("Contoso B.V.  ")}) == 1


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_terminal_gets_lines_that_fit_and_commands_that_are_whole(columns: int) -> None:
    lines = [shown(), shown(waiting=(("rotate-hmac", OPEN),), key_in_use=False)]
    made = tuple(on_screen(lines, verdict(lines, [])))
    told = plain(made, columns)
    assert "attention  Contoso B.V. (k3v9x2p7), ring early\n" in told
    assert "`vibedata rotate --due --instance k3v9x2p7`\n" in told
    assert all(len(line.lead) + len(line.text) <= columns for line in wrapped(made, columns))
    flat = " ".join(text(lines, verdict(lines, [])).split())
    assert all(" ".join(line.text.split()) in flat for line in made if line.lead.startswith("  - "))


def test_each_concern_about_health_or_a_release_says_what_to_type() -> None:
    ill = shown(reports={"health": health(unhealthy=1, degraded=1), "deployment": deployment(status="failed")})
    never = shown(reports={"health": None, "deployment": None})
    wanted = shown(instance=replace(instance(), release="2026.12.0"))
    remedies = {note.text: note.remedy for each in (ill, never, wanted) for note in each.concerns}
    assert len(remedies) == 5
    assert all("--instance k3v9x2p7`" in remedy for remedy in remedies.values()), remedies
    assert remedies["release 2026.11.0 is installed, and 2026.12.0 is wanted"] == (
        "run `vibedata deploy 2026.12.0 --instance k3v9x2p7`"
    )


def test_an_older_release_that_is_wanted_is_probably_an_old_document() -> None:
    (concern,) = shown(instance=replace(instance(), release="2026.9.0")).concerns
    assert concern.remedy == (
        "run `vibedata instance edit k3v9x2p7 --set release=2026.11.0`, or to go back"
        " `vibedata deploy 2026.9.0 --instance k3v9x2p7 --allow-downgrade`"
    )


def test_hostile_words_stay_words() -> None:
    # A document refuses such texts. The output does not rely on that.
    hostile = replace(instance(), display_name=HOSTILE, ring=HOSTILE)
    made = shown(instance=hostile, troubles=(azure.REQUEST_REFUSED.error(HOSTILE),))
    told = text([made], verdict([made], []))
    assert "\x1b" not in told and "\u202e" not in told
    drawn = plain(on_screen([made], verdict([made], [])), 80)
    assert "\x1b" not in drawn and "\u202e" not in drawn
    content = page([made], verdict([made], []), AT)
    assert "<script" not in content


def test_the_page_says_the_same() -> None:
    lines = [shown(), shown(key_in_use=False)]
    content = page(lines, verdict(lines, []), AT)
    for expected in ("2 instances: 1 in need of attention, 1 well", "Contoso B.V.", "token 120 d left", "20 min ago"):
        assert expected in content
    assert "<title>Vibedata fleet: 2 instances: " in content and 'class="badge attention"' in content
