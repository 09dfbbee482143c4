"""Read a release manifest field by field. Nothing uses it before every check has passed.

Its form is that of oci/release-manifest.schema.json, and a test compares both. Rules that a schema cannot express are
in runbook_lib/release/rules.py.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar, get_args

from runbook_lib.basics import forms, strict_json
from runbook_lib.basics.digest import DIGEST
from runbook_lib.errors import RunbookError, release
from runbook_lib.network.retry import MAX_DELAY_SECONDS, MAX_RETRIES
from runbook_lib.release import rules as release_rules
from runbook_lib.release.model import (
    Component,
    ComponentType,
    DocumentName,
    DocumentPin,
    HealthKind,
    HealthProbe,
    ImagePin,
    NetworkRetryPolicies,
    Pin,
    ReleaseManifest,
    RunbookPin,
)

MEDIA_TYPE = "application/vnd.vibedata.release-manifest.v1+json"
SCHEMA_VERSION = 1

# Limits. They are far above every real release, and far below what would be too much for a sandbox of 400 MB.
MAX_MANIFEST_BYTES = 1024 * 1024
MAX_IMAGES = 1000
MAX_RUNBOOKS = 100
MAX_DOCUMENTS = 10
MAX_COMPONENTS = 1000
MAX_DEPENDENCIES = 100
MAX_PROBE_SECONDS = 300
# The statuses of a final answer: another answer follows after 1xx (RFC 9110, 15.2).
MIN_STATUS, MAX_STATUS = 200, 599

# Patterns match the whole text.
NAME = forms.NAME[0]
RUNBOOK_NAME = r"[A-Za-z][A-Za-z0-9_-]{0,62}"  # Automation's rule for runbooks (docs/azure-facts.md#runbooks-and-jobs)
VERSION = r"(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})"
CHANNEL = r"[a-z][a-z0-9-]{0,31}"
REPOSITORY_NAME = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*"  # OCI distribution 1.1
TAG = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"  # OCI distribution 1.1
SHA256 = r"[a-f0-9]{64}"
MEDIA_TYPE_NAME = r"[a-z]{1,32}/[a-z0-9][a-z0-9.+-]{0,126}"  # RFC 6838, 4.2, in small letters
# RFC 3339, only UTC, and no leap seconds: Python's datetime does not know them.
TIME = r"[1-9][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3])(:[0-5][0-9]){2}(\.[0-9]{1,6})?Z"
# Visible ASCII, with blanks only inside. So two texts that look the same are the same.
VISIBLE = r"[!-~]([ -~]*[!-~])?"
# Namespace and types, e.g. Microsoft.App/containerApps.
RESOURCE_TYPE = r"[A-Za-z0-9]+(\.[A-Za-z0-9]+)*(/[A-Za-z0-9._-]+)+"
# No name of a resource has <>%&\\?/ or a control character (Azure's naming rules for resources), and no key of a table
# has #. One name for each type after the namespace.
_RESOURCE = r"[!\"$'-.0-;=@-\[\]-~]([ !\"$'-.0-;=@-\[\]-~]*[!\"$'-.0-;=@-\[\]-~])?"
RESOURCE_NAME = rf"{_RESOURCE}(/{_RESOURCE})*"
# RFC 9112, 3.2.1, origin-form: absolute-path [ "?" query ] of RFC 3986. After a second slash at the beginning, some
# readers would read a host.
ORIGIN_FORM = (
    r"/(([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})([A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?"
    r"(\?([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?"
)

# The maximum lengths of texts, in characters.
MAX_REPOSITORY = 255
MAX_TEXT = 128
MAX_LONG_TEXT = 2048
# An error shows at most this number of characters of an unexpected value.
SHOWN = 40

_HEAD = ("schema_version", "version", "channel", "created_at", "expires_at")
_PIN = ("repository", "tag", "digest")
T = TypeVar("T")


def parse(content: bytes) -> ReleaseManifest:
    """Return the release manifest whose JSON is `content`.

    Raises RunbookError VD-MANIFEST-003 (over MAX_MANIFEST_BYTES), -002 (not strict JSON, or not of the schema's form),
    -004 (unknown schema_version), -005 (contradicts itself).
    """
    if len(content) > MAX_MANIFEST_BYTES:
        raise release.MANIFEST_TOO_LARGE.error(f"{len(content)} bytes; at most {MAX_MANIFEST_BYTES} are accepted")
    try:
        document = strict_json.loads(content)
    except strict_json.NotStrictJsonError as error:
        raise release.MANIFEST_UNREADABLE.error(str(error)) from error
    manifest = from_document(document)
    release_rules.check_consistent(manifest)
    return manifest


def from_document(document: object) -> ReleaseManifest:
    """Return the manifest in a JSON document. This checks only its form.

    Raises RunbookError VD-MANIFEST-004 (unknown schema_version), VD-MANIFEST-002 (any other fault of the form). The
    version is checked first, so that a later schema does not look like a broken manifest.
    """
    if isinstance(document, dict) and "schema_version" in document:
        found = _integer(document["schema_version"], "schema_version", 0, strict_json.MAX_INTEGER)
        if found != SCHEMA_VERSION:
            raise release.UNKNOWN_SCHEMA_VERSION.error(
                f"schema_version is {found}; this runbook knows {SCHEMA_VERSION}"
            )
    fields = _fields(
        document,
        "the manifest",
        required=(*_HEAD, "images", "runbooks", "python_packages", "components", "policies"),
        optional=("documents",),
    )
    packages = _fields(fields["python_packages"], "python_packages", required=_PIN)
    policies = _fields(fields["policies"], "policies", required=("networkRetryPolicies",))
    return ReleaseManifest(
        version=_text(fields["version"], "version", VERSION),
        channel=_text(fields["channel"], "channel", CHANNEL),
        created_at=_time(fields["created_at"], "created_at"),
        expires_at=_time(fields["expires_at"], "expires_at"),
        images=_list(fields["images"], "images", MAX_IMAGES, _image),
        runbooks=_list(fields["runbooks"], "runbooks", MAX_RUNBOOKS, _runbook),
        python_packages=Pin(**_pin(packages, "python_packages")),
        documents=_list(fields.get("documents", []), "documents", MAX_DOCUMENTS, _document),
        components=_list(fields["components"], "components", MAX_COMPONENTS, _component),
        network_retry_policies=_retry_policies(policies["networkRetryPolicies"], "policies.networkRetryPolicies"),
    )


def _pin(fields: Mapping[str, Any], where: str) -> dict[str, str]:
    return {
        "repository": _text(fields["repository"], f"{where}.repository", REPOSITORY_NAME, MAX_REPOSITORY),
        "tag": _text(fields["tag"], f"{where}.tag", TAG),
        "digest": _text(fields["digest"], f"{where}.digest", DIGEST),
    }


def _image(value: object, where: str) -> ImagePin:
    fields = _fields(value, where, required=("name", *_PIN, "size"))
    return ImagePin(
        **_pin(fields, where),
        name=_text(fields["name"], f"{where}.name", NAME),
        size=_integer(fields["size"], f"{where}.size", 1, strict_json.MAX_INTEGER),
    )


def _runbook(value: object, where: str) -> RunbookPin:
    fields = _fields(value, where, required=("name", *_PIN, "script_sha256", "mandatory"))
    if not isinstance(fields["mandatory"], bool):
        raise _malformed(f"{where}.mandatory", "takes true or false", fields["mandatory"])
    return RunbookPin(
        **_pin(fields, where),
        name=_text(fields["name"], f"{where}.name", RUNBOOK_NAME),
        script_sha256=_text(fields["script_sha256"], f"{where}.script_sha256", SHA256),
        mandatory=fields["mandatory"],
    )


def _document(value: object, where: str) -> DocumentPin:
    fields = _fields(value, where, required=("name", "media_type", *_PIN))
    return DocumentPin(
        **_pin(fields, where),
        name=_one_of(fields["name"], f"{where}.name", get_args(DocumentName)),
        media_type=_text(fields["media_type"], f"{where}.media_type", MEDIA_TYPE_NAME),
    )


def _component(value: object, where: str) -> Component:
    fields = _fields(
        value,
        where,
        required=("name", "type", "version"),
        optional=("artifact", "resource_type", "resource_name", "depends_on", "health"),
    )
    return Component(
        name=_text(fields["name"], f"{where}.name", NAME),
        type=_one_of(fields["type"], f"{where}.type", get_args(ComponentType)),
        version=_text(fields["version"], f"{where}.version", VISIBLE, MAX_TEXT),
        artifact=_optional_text(fields.get("artifact"), f"{where}.artifact", NAME),
        resource_type=_optional_text(
            fields.get("resource_type"),
            f"{where}.resource_type",
            RESOURCE_TYPE,
            MAX_TEXT,
            "Microsoft.App/containerApps",
        ),
        resource_name=_optional_text(
            fields.get("resource_name"), f"{where}.resource_name", RESOURCE_NAME, MAX_TEXT, "vibedata-studio"
        ),
        depends_on=_list(
            fields.get("depends_on", []),
            f"{where}.depends_on",
            MAX_DEPENDENCIES,
            lambda item, at: _text(item, at, NAME),
        ),
        health=_health(fields.get("health", {"kind": "none"}), f"{where}.health"),
    )


def _health(value: object, where: str) -> HealthProbe:
    fields = _fields(value, where, required=("kind",), optional=("path", "expected_status", "timeout_seconds"))
    status, seconds = fields.get("expected_status"), fields.get("timeout_seconds")
    return HealthProbe(
        kind=_one_of(fields["kind"], f"{where}.kind", get_args(HealthKind)),
        path=_optional_text(fields.get("path"), f"{where}.path", ORIGIN_FORM, MAX_LONG_TEXT, "/healthz?deep=1"),
        expected_status=None
        if status is None
        else _integer(status, f"{where}.expected_status", MIN_STATUS, MAX_STATUS),
        timeout_seconds=None
        if seconds is None
        else _integer(seconds, f"{where}.timeout_seconds", 1, MAX_PROBE_SECONDS),
    )


def _retry_policies(value: object, where: str) -> NetworkRetryPolicies:
    fields = _fields(value, where, required=("max_retries", "delay_seconds"))
    delay = fields["delay_seconds"]
    if isinstance(delay, bool) or not isinstance(delay, int | float) or not 0 < delay <= MAX_DELAY_SECONDS:
        raise _malformed(f"{where}.delay_seconds", f"takes a number over 0, of at most {MAX_DELAY_SECONDS:g}", delay)
    return NetworkRetryPolicies(
        max_retries=_integer(fields["max_retries"], f"{where}.max_retries", 0, MAX_RETRIES), delay_seconds=float(delay)
    )


def _fields(
    value: object, where: str, *, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _malformed(where, "takes an object", value)
    for name in required:
        if name not in value:
            raise release.MANIFEST_UNREADABLE.error(f"{where} has no {name}")
    for name in value:
        if name not in required and name not in optional:
            raise release.MANIFEST_UNREADABLE.error(f"{where} has the unknown field {name[:SHOWN]!a}")
    return value


def _list(value: object, where: str, cap: int, item: Callable[[object, str], T]) -> tuple[T, ...]:
    if not isinstance(value, list) or len(value) > cap:
        raise _malformed(where, f"takes a list of at most {cap}", value)
    return tuple(item(each, f"{where}[{index}]") for index, each in enumerate(value))


def _text(value: object, where: str, pattern: str, cap: int | None = None, like: str = "") -> str:
    if not isinstance(value, str) or (cap is not None and len(value) > cap) or not re.fullmatch(pattern, value):
        limit = "" if cap is None else f" of at most {cap} characters"
        raise _malformed(where, f"takes a text{limit} like {like or pattern}", value)
    return value


def _optional_text(value: object, where: str, pattern: str, cap: int | None = None, like: str = "") -> str | None:
    return None if value is None else _text(value, where, pattern, cap, like)


def _one_of(value: object, where: str, choices: tuple[Any, ...]) -> Any:
    if value not in choices:
        raise _malformed(where, f"takes one of {', '.join(choices)}", value)
    return value


def _integer(value: object, where: str, low: int, high: int) -> int:
    """Return a whole number. JSON has one kind of number, and 2.0 is an integer in JSON Schema, too."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not (whole or (isinstance(value, float) and value.is_integer())) or not low <= value <= high:  # type: ignore[operator]
        raise _malformed(where, f"takes a whole number from {low} to {high}", value)
    return int(value)  # type: ignore[call-overload, no-any-return]


def _time(value: object, where: str) -> datetime:
    """Return the time. A day that does not exist (30 February) passes the pattern, and is refused here."""
    text = _text(value, where, TIME)
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    try:
        return datetime.fromisoformat(f"{seconds}.{fraction:0<6}+00:00")
    except ValueError as error:
        raise _malformed(where, "takes a day that exists", value) from error


def _malformed(where: str, takes: str, value: object) -> RunbookError:
    shown = ascii(value)
    if len(shown) > SHOWN:
        shown = shown[:SHOWN] + "..."
    return release.MANIFEST_UNREADABLE.error(f"{where} {takes}, not {shown}")
