"""The reports of an instance to its publisher: these fields in these forms, and nothing else. Pure.

The dataclasses below are the allow-list. Every field has a form: a pattern, a set of words or a range. The forms are
too narrow for data of the customer: no free text, no address, no resource id, no reason for an illness. A report of
another form is refused, never cut or mended. The instance checks that when it writes, and the publisher's API when it
reads.

Source: docs/design.md#log-lock-callbacks.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, Literal, TypeAlias, get_args

from runbook_lib.basics import strict_json
from runbook_lib.basics.forms import INSTANCE_ID, NAME, UUID
from runbook_lib.release.model import ComponentType, HealthState

# This file repeats these words, so that reports change only if this file changes. Tests compare them with
# runbook_lib.health.rules, runbook_lib.run.result and runbook_lib.release.manifest.
StepStatus = Literal["succeeded", "unchanged", "failed"]
MAX_COMPONENTS = 1000
# MAX_COMPONENTS components of the largest size need less.
MAX_PAYLOAD_BYTES = 256 * 1024
# A job ends after 3 hours (docs/azure-facts.md#python-and-its-limits). But a step of a deployment need not be a job.
MAX_DURATION_MS = 24 * 3600 * 1000


class PayloadRefusedError(ValueError):
    """Something is not on the allow-list. The message says where, but never quotes it: it may be the customer's."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text that matches `pattern` as a whole. `takes` says the same in words."""

    pattern: str
    takes: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A word from a list."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from 0 to `most`."""

    most: int


@dataclass(frozen=True, slots=True)
class Items:
    """A list of at most `most` objects with the fields of `kind`."""

    kind: "type[ComponentHealth]"
    most: int


FieldForm: TypeAlias = Text | Choice | Whole | Items

_TIME = Text(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z", "RFC 3339 in UTC, with microseconds")
_TIME_OR_NONE = Text(f"({_TIME.pattern})?", f"{_TIME.takes}; empty: unknown")
_RELEASE = Text(r"((0|[1-9][0-9]{0,5})(\.(0|[1-9][0-9]{0,5})){2})?", "three numbers such as 2026.11.0; empty: unknown")
COMPONENT_VERSION = Text(
    r"([A-Za-z0-9][A-Za-z0-9._+-]{0,63})?", "up to 64 letters, digits, dots, dashes, pluses; empty: unknown"
)
_STEP = Text(r"[a-z][a-z0-9_]{0,62}", "1 to 63 small letters, digits and underscores")
_ERROR_CODE = Text(r"(VD-[A-Z]{1,16}-[0-9]{3})?", "a code such as VD-NET-001; empty: none")


def _told(form: FieldForm, tells: str) -> Mapping[str, object]:
    """Return a field's metadata: its form and its meaning."""
    return {"form": form, "tells": tells}


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentHealth:
    """One component of the release, and how it is."""

    name: str = field(metadata=_told(Text(*NAME), "the component's name in the publisher's release manifest"))
    type: str = field(metadata=_told(Choice(get_args(ComponentType)), "its type in the release manifest"))
    version: str = field(metadata=_told(COMPONENT_VERSION, "its version in the release manifest"))
    health: str = field(metadata=_told(Choice(get_args(HealthState)), "its health state"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """The fields of every report. Raises PayloadRefusedError if a field does not have its form."""

    kind: ClassVar[str] = ""
    instance_id: str = field(metadata=_told(Text(*INSTANCE_ID), "which instance: setting `instance_id`"))
    at: str = field(metadata=_told(_TIME, "when it was so, by the instance's clock"))

    def __post_init__(self) -> None:
        """Check every field, so that no payload exists that must not leave."""
        _document(self, self.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping(Payload):
    """The instance is there, and its key works."""

    kind: ClassVar[str] = "ping"


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSummary(Payload):
    """How the instance is, as check_health has recorded it."""

    kind: ClassVar[str] = "health"
    release_version: str = field(metadata=_told(_RELEASE, "the installed release"))
    unknown: int = field(metadata=_told(Whole(MAX_COMPONENTS), "how many components are in this state"))
    healthy: int = field(metadata=_told(Whole(MAX_COMPONENTS), "how many components are in this state"))
    degraded: int = field(metadata=_told(Whole(MAX_COMPONENTS), "how many components are in this state"))
    unhealthy: int = field(metadata=_told(Whole(MAX_COMPONENTS), "how many components are in this state"))
    components: tuple[ComponentHealth, ...] = field(
        metadata=_told(Items(ComponentHealth, MAX_COMPONENTS), "the components that the release manifest names")
    )
    certificate_not_after: str = field(
        default="", metadata=_told(_TIME_OR_NONE, "when the TLS certificate in the vault ends")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentProgress(Payload):
    """How a step of a deployment has ended."""

    kind: ClassVar[str] = "deployment"
    correlation_id: str = field(metadata=_told(Text(*UUID), "which deployment: the id that its steps share"))
    release_version: str = field(metadata=_told(_RELEASE, "the release that the step works at"))
    step: str = field(metadata=_told(_STEP, "the step: a runbook's name"))
    status: str = field(metadata=_told(Choice(get_args(StepStatus)), "how it ended"))
    error_code: str = field(metadata=_told(_ERROR_CODE, "why it failed: a code of errors.md"))
    duration_ms: int = field(metadata=_told(Whole(MAX_DURATION_MS), "how long it took, in milliseconds"))


# By the last part of the path that a report is sent to.
KINDS: Mapping[str, type[Payload]] = {kind.kind: kind for kind in (Ping, HealthSummary, DeploymentProgress)}


def form_of(payload: type[Payload | ComponentHealth]) -> dict[str, FieldForm]:
    """Return the form of each field, by its name."""
    return {each.name: each.metadata["form"] for each in fields(payload)}


def to_json(payload: Payload) -> bytes:
    """Return the one JSON text of a report: keys sorted, no spaces, ASCII. Raises PayloadRefusedError.

    It takes the fields one by one from the allow-list and checks them again. So no other attribute can leave.
    """
    kind = KINDS.get(payload.kind)
    if kind is None or type(payload) is not kind:
        raise PayloadRefusedError("it is not a report that may leave")
    return json.dumps(_document(payload, payload.kind), sort_keys=True, separators=(",", ":")).encode("ascii")


def parse(kind: str, content: bytes) -> Payload:
    """Return the report in a JSON text. `kind` is a key of KINDS.

    Raises PayloadRefusedError for another kind, for more than MAX_PAYLOAD_BYTES, for a text that is not strict JSON,
    and for a field that is missing, unknown or malformed.
    """
    if kind not in KINDS:
        raise PayloadRefusedError("it is not a report that may leave")
    if len(content) > MAX_PAYLOAD_BYTES:
        raise PayloadRefusedError(f"{kind}: it is larger than {MAX_PAYLOAD_BYTES} bytes")
    try:
        document = strict_json.loads(content)
    except strict_json.NotStrictJsonError:
        # Its message may quote the content.
        raise PayloadRefusedError(f"{kind}: it is no strict JSON") from None
    return KINDS[kind](**_fields(KINDS[kind], document, kind))


def _fields(kind: type[Payload | ComponentHealth], document: object, where: str) -> dict[str, Any]:
    """Return the arguments for the constructor of `kind`. The constructor checks the values."""
    forms = form_of(kind)
    # An instance whose release is older than a field sends its reports without it. Such a field has a default.
    needed = {each.name for each in fields(kind) if each.default is MISSING}
    if not isinstance(document, dict) or not needed <= document.keys() <= forms.keys():
        raise PayloadRefusedError(f"{where}: it does not have the fields {', '.join(sorted(forms))}")
    return {name: _read(forms[name], value, f"{where}.{name}") for name, value in document.items()}


def _read(form: FieldForm, value: object, where: str) -> object:
    if not isinstance(form, Items) or not isinstance(value, list):
        return value
    return tuple(form.kind(**_fields(form.kind, item, f"{where}[{index}]")) for index, item in enumerate(value))


def _document(value: Payload | ComponentHealth, where: str) -> dict[str, Any]:
    """Return the JSON object of a report or a part of it. Raises PayloadRefusedError."""
    forms = form_of(type(value))
    return {name: _written(form, getattr(value, name), f"{where}.{name}") for name, form in forms.items()}


def _written(form: FieldForm, value: object, where: str) -> object:
    """Return a value for JSON. Its type must match exactly: a subclass of str or int may write itself as anything."""
    if isinstance(form, Items):
        if type(value) is tuple and len(value) <= form.most and all(type(item) is form.kind for item in value):
            return [_document(item, f"{where}[{index}]") for index, item in enumerate(value)]
        raise PayloadRefusedError(f"{where} takes at most {form.most} objects")
    if isinstance(form, Text) and type(value) is str and re.fullmatch(form.pattern, value):
        return value
    if isinstance(form, Choice) and type(value) is str and value in form.words:
        return value
    if isinstance(form, Whole) and type(value) is int and 0 <= value <= form.most:
        return value
    raise PayloadRefusedError(f"{where} takes {takes(form)}")


def takes(form: FieldForm) -> str:
    """Return a form in words."""
    if isinstance(form, Text):
        return form.takes
    if isinstance(form, Choice):
        return f"one of {', '.join(form.words)}"
    if isinstance(form, Whole):
        return f"a whole number from 0 to {form.most}"
    return f"a list of at most {form.most}"
