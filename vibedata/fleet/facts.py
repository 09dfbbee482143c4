"""The facts that `vibedata fleet status` shows about one instance, and the concerns that follow from them. All pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from publisher.certificates.record import Issuance
from publisher.instances.document import Instance
from publisher.instances.reported import SKEW, Reported
from publisher.rotation.record import Rotation
from runbook_lib.basics.clock import from_rfc3339, rfc3339
from runbook_lib.errors import RunbookError
from runbook_lib.health.credentials import EXPIRES_SOON_DAYS
from runbook_lib.release.model import version_key
from vibedata.status.facts import STALE, Level, Note, Verdict, age, days

SECONDS_A_DAY = 86_400
# `vibedata rotate-tls --due` runs several times a day, and repeats a failed renewal. If a renewal is due for longer
# than this, a person should look.
LATE = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Everything that is known of one instance.

    Attributes:
        instance: The instance's document.
        reported: The last reports of the instance.
        key_in_use: Whether the publisher accepts a current HMAC key of the instance.
        token_expires: When the container registry token in use expires, None if no rotation says it.
        certificate: The issuance of the TLS certificate in use, None if none was installed.
        waiting: The rotations that are not finished, each with the command that finishes it.
        troubles: The errors of the parts that could not be read.
    """

    instance: Instance
    reported: Reported
    key_in_use: bool
    token_expires: datetime | None
    certificate: Issuance | None
    waiting: tuple[tuple[str, Rotation], ...]
    troubles: tuple[RunbookError, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One instance as it is shown. `level` is the level of its worst concern."""

    known: Known
    level: Level
    release: str
    health: str
    deployment: str
    credentials: str
    rotations: str
    concerns: tuple[Note, ...]

    def as_json(self) -> dict[str, object]:
        """Return the instance for programs: times as RFC 3339 in UTC, or null."""
        known, health, deployment = self.known, self.known.reported.health, self.known.reported.deployment
        certificate_end, due = _certificate_end(known), known.certificate.due if known.certificate else None
        counts = None if health is None else {name: getattr(health, name) for name in HEALTH_COUNTS}
        return {
            "id": known.instance.id,
            "display_name": known.instance.display_name,
            "subscription_id": known.instance.subscription_id,
            "resource_group": known.instance.managed_resource_group,
            "ring": known.instance.ring,
            "level": self.level.value,
            "release": {"wanted": known.instance.release, "reported": _release(known)},
            "health": None if health is None else {"at": health.at, "components": counts},
            "deployment": None
            if deployment is None
            else {
                "at": deployment.at,
                "correlation_id": deployment.correlation_id,
                "step": deployment.step,
                "status": deployment.status,
                "error_code": deployment.error_code,
            },
            "credentials": {
                "hmac_key_in_use": known.key_in_use,
                "registry_token_expires": rfc3339(known.token_expires) if known.token_expires else None,
                "certificate_expires": rfc3339(certificate_end) if certificate_end else None,
                "certificate_renewal_due": rfc3339(due) if due else None,
            },
            "rotations": [
                {"command": command, "rotation_id": each.rotation_id, "customer": each.customer}
                for command, each in known.waiting
            ],
            "concerns": [
                {"level": note.level.value, "text": note.text, "remedy": note.remedy} for note in self.concerns
            ],
        }


HEALTH_COUNTS = ("healthy", "degraded", "unhealthy", "unknown")


def line(known: Known, at: datetime) -> Line:
    """Return the line that shows an instance. `at` is the time of reading."""
    order = list(Level)
    concerns = tuple(sorted(_concerns(known, at), key=lambda note: order.index(note.level)))
    reported = _release(known) or "unknown"
    wanted = known.instance.release
    return Line(
        known=known,
        level=concerns[0].level if concerns else Level.WELL,
        release=f"{reported} ({wanted} wanted)" if wanted and wanted != reported else reported,
        health=_health(known, at),
        deployment=_deployment(known, at),
        credentials=", ".join(_credentials(known, at)),
        rotations=", ".join(f"{command}, {_begun(each, at)}" for command, each in known.waiting) or "none",
        concerns=concerns,
    )


def verdict(lines: Sequence[Line], troubles: Sequence[RunbookError]) -> Verdict:
    """Return the state of the fleet in one sentence, and all concerns, the worst first.

    `troubles` are the errors of rows without a valid instance.
    """
    notes = [
        Note(level=note.level, text=f"{each.known.instance.display_name}: {note.text}", remedy=note.remedy)
        for each in lines
        for note in each.concerns
    ]
    notes += [Note(level=Level.UNKNOWN, text=error.message, remedy=error.remedy) for error in troubles]
    notes.sort(key=lambda note: list(Level).index(note.level))
    level = notes[0].level if notes else Level.WELL if lines else Level.UNKNOWN
    return Verdict(level=level, headline=_headline(lines), notes=tuple(notes))


def _headline(lines: Sequence[Line]) -> str:
    if not lines:
        return "No instance is recorded"
    counts = [(level, sum(each.level is level for each in lines)) for level in Level]
    words = {Level.ILL: "ill", Level.UNKNOWN: "unknown", Level.ATTENTION: "in need of attention", Level.WELL: "well"}
    told = ", ".join(f"{number} {words[level]}" for level, number in counts if number)
    return f"{len(lines)} instance{'' if len(lines) == 1 else 's'}: {told}"


def _concerns(known: Known, at: datetime) -> Iterator[Note]:
    for error in known.troubles:
        yield Note(level=Level.UNKNOWN, text=f"{error.code}: {error.message}", remedy=error.remedy)
    instance = f"--instance {known.instance.id}"
    yield from _health_concerns(known, at, f"run `vibedata status {instance}`")
    wanted, reported = known.instance.release, _release(known)
    if wanted and reported and wanted != reported:
        text = f"release {reported} is installed, and {wanted} is wanted"
        yield Note(level=Level.ATTENTION, text=text, remedy=_remedy_of_release(known, reported))
    deployment = known.reported.deployment
    if deployment is not None and deployment.status == "failed":
        code = f" with {deployment.error_code}" if deployment.error_code else ""
        text = f"the last deployment failed at {deployment.step}{code}, {_age(deployment.at, at)}"
        remedy = f"run `vibedata jobs {instance}`: it shows the job that failed"
        yield Note(level=Level.ATTENTION, text=text, remedy=remedy)
    left = _days_left(known.token_expires, at)
    yield from _certificate_concerns(known, at)
    if left is not None and left < EXPIRES_SOON_DAYS:
        level, words = (Level.ILL, "has expired") if left < 0 else (Level.ATTENTION, f"expires in {days(left)}")
        remedy = f"run `vibedata rotate-acr-token {instance}`"
        yield Note(level=level, text=f"the container registry token {words}", remedy=remedy)
    if not known.key_in_use:
        text = "the publisher accepts no current HMAC key: the instance cannot report"
        yield Note(level=Level.ATTENTION, text=text, remedy=f"run `vibedata rotate-hmac {instance}`")
    for _, rotation in known.waiting:
        text = f"a rotation waits to be finished, {_begun(rotation, at)}"
        yield Note(level=Level.ATTENTION, text=text, remedy=f"run `vibedata rotate --due {instance}`")


def _remedy_of_release(known: Known, reported: str) -> str:
    """Return the command that makes the wanted and the reported release the same. Both are versions, not tags."""
    wanted, instance = known.instance.release, known.instance.id
    deploy = f"vibedata deploy {wanted} --instance {instance}"
    if version_key(wanted) >= version_key(reported):
        return f"run `{deploy}`"
    # A deployment refuses an older release. The document is probably out of date.
    edit = f"vibedata instance edit {instance} --set release={reported}"
    return f"run `{edit}`, or to go back `{deploy} --allow-downgrade`"


def _health_concerns(known: Known, at: datetime, look: str) -> Iterator[Note]:
    """Yield the concerns about an instance's health. `look` is the remedy that shows more about it."""
    health = known.reported.health
    if health is None:
        yield Note(level=Level.UNKNOWN, text="it has never reported its health", remedy=look)
        return
    moment = from_rfc3339(health.at)
    if moment - at > SKEW:  # the instance sets this time, and a report from the future would never count as old
        text = f"its health report is dated in the future, {age(moment, at)}: nobody knows how old it is"
        yield Note(level=Level.UNKNOWN, text=text, remedy="compare the instance's clock with the publisher's")
    if at - moment > STALE:
        yield Note(level=Level.UNKNOWN, text=f"it last reported its health {_age(health.at, at)}", remedy=look)
    if health.unhealthy:
        yield Note(level=Level.ILL, text=f"{_components(health.unhealthy)} unhealthy", remedy=look)
    if health.degraded:
        yield Note(level=Level.ATTENTION, text=f"{_components(health.degraded)} degraded", remedy=look)


def _components(number: int) -> str:
    return "1 component is" if number == 1 else f"{number} components are"


def _release(known: Known) -> str:
    health, deployment = known.reported.health, known.reported.deployment
    # A failed deployment names the release that it tried to install. Another release may be installed.
    return (health.release_version if health else "") or (
        deployment.release_version if deployment and deployment.status != "failed" else ""
    )


def _health(known: Known, at: datetime) -> str:
    health = known.reported.health
    if health is None:
        return "never reported"
    counts = [f"{number} {name}" for name in HEALTH_COUNTS if (number := getattr(health, name))]
    return f"{' '.join(counts) or 'no component'}, {_age(health.at, at)}"


def _deployment(known: Known, at: datetime) -> str:
    deployment = known.reported.deployment
    return "none" if deployment is None else f"{deployment.step} {deployment.status}, {_age(deployment.at, at)}"


def _credentials(known: Known, at: datetime) -> Iterator[str]:
    left = _days_left(known.token_expires, at)
    yield "token unknown" if left is None else "token expired" if left < 0 else f"token {left} d left"
    yield "key in use" if known.key_in_use else "no key"
    left = _days_left(_certificate_end(known), at)
    yield "no certificate" if left is None else "certificate expired" if left < 0 else f"certificate {left} d left"


def _certificate_concerns(known: Known, at: datetime) -> Iterator[Note]:
    """Yield the concerns about the TLS certificate.

    The lifetimes of certificates differ, so the days that are left say nothing. The time of the renewal counts.
    """
    left, due = _days_left(_certificate_end(known), at), known.certificate.due if known.certificate else None
    remedy = f"run `vibedata rotate-tls --instance {known.instance.id}`"
    reported = _reported_end(known)
    if known.certificate and reported and reported != from_rfc3339(known.certificate.not_after):
        text = f"its vault reports a certificate until {reported:%Y-%m-%d}, and not the one that was ordered last"
        yield Note(level=Level.ATTENTION, text=text, remedy=f"{remedy} --now")
    if left is None:
        return
    if left < 0:
        yield Note(level=Level.ILL, text="the TLS certificate has expired", remedy=remedy)
    elif due is not None and at - due > LATE:
        text = f"the renewal of the TLS certificate was due {age(due, at)}, and it expires in {days(left)}"
        yield Note(level=Level.ATTENTION, text=text, remedy=remedy)


def _certificate_end(known: Known) -> datetime | None:
    """Return when the certificate in use ends, None if it is not known.

    The end that the instance reports comes first, then the end of the certificate that the publisher installed last.
    """
    reported = _reported_end(known)
    return reported or (from_rfc3339(known.certificate.not_after) if known.certificate else None)


def _reported_end(known: Known) -> datetime | None:
    """Return the end of the certificate that the instance reports, None if it reports none.

    A report from before the installation of the last certificate does not count.
    """
    health, certificate = known.reported.health, known.certificate
    if health is None or not health.certificate_not_after:
        return None
    installed = certificate.installed_at if certificate is not None else ""
    if installed and from_rfc3339(health.at) <= from_rfc3339(installed) + SKEW:
        return None
    return from_rfc3339(health.certificate_not_after)


def _days_left(end: datetime | None, at: datetime) -> int | None:
    """Return the whole days until a time, a negative number after it, None if the time is not known."""
    return None if end is None else int((end - at).total_seconds() // SECONDS_A_DAY)


def _begun(rotation: Rotation, at: datetime) -> str:
    return f"begun {_age(rotation.started_at, at)}"


def _age(moment: str, at: datetime) -> str:
    return age(from_rfc3339(moment), at) if moment else "at an unknown time"
