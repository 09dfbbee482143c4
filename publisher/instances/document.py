"""The instance document says what is known of one managed application (docs/design.md#instances). All pure.

publisher/instance-document.schema.json describes the form of the document, and a test compares this module with that
file. A document comes from a file or from a table that others can write to. So this module reads it strictly, and
refuses a document that does not have this form.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

from runbook_lib.azure.names import CONTAINER_REGISTRY_TOKEN, LOCATION, MANAGED_APPLICATION_ID
from runbook_lib.azure.settings import Settings, why_refused
from runbook_lib.basics import strict_json
from runbook_lib.basics.forms import GUID, Form, fits
from runbook_lib.basics.visible_text import is_visible, one_line
from runbook_lib.errors import RunbookError, publisher

# The maximum length in bytes or characters. All settings together are shorter, even if each one has its maximum length.
# A column of a table can hold this number of characters.
MAX_DOCUMENT_LENGTH = 30_000
MAX_NAME_CHARACTERS = 100
MAX_SHOWN_CHARACTERS = 60
# These parts of the document are also settings. The document must not repeat them in `settings`.
PARTS_THAT_ARE_SETTINGS = {
    "id": "instance_id",
    "subscription_id": "subscription_id",
    "managed_resource_group": "resource_group",
    "prefix": "prefix",
}
SETTINGS = tuple(each.name for each in fields(Settings) if each.name not in PARTS_THAT_ARE_SETTINGS.values())
# These settings do not follow from the prefix by convention.
REQUIRED_SETTINGS = ("logs_endpoint", "dcr_id")


def _is_display_name(text: str) -> bool:
    return 1 <= len(text) <= MAX_NAME_CHARACTERS and text == " ".join(text.split()) and all(map(is_visible, text))


DISPLAY_NAME: Form = (_is_display_name, f"1 to {MAX_NAME_CHARACTERS} visible characters, no space at its ends")
RING: Form = (r"([a-z0-9][a-z0-9-]{0,31})?", "up to 32 small letters, digits and dashes")
RELEASE: Form = (r"((0|[1-9][0-9]{0,5})(\.(0|[1-9][0-9]{0,5})){2})?", "three numbers such as 2026.11.0, or nothing")
# The forms of the other parts. A part in PARTS_THAT_ARE_SETTINGS has the form of its setting.
FORMS: Mapping[str, Form] = {
    "display_name": DISPLAY_NAME,
    "tenant_id": GUID,
    "application_id": (
        lambda text: not text or fits(MANAGED_APPLICATION_ID, text),
        f"{MANAGED_APPLICATION_ID[1]}, or nothing",
    ),
    "location": LOCATION,
    "registry_token": (f"({CONTAINER_REGISTRY_TOKEN[0]})?", f"{CONTAINER_REGISTRY_TOKEN[1]}, or nothing"),
    "ring": RING,
    "release": RELEASE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One managed application of one customer.

    Attributes:
        id: The part of the instance's name before `.vibedata.ai`.
        display_name: The name that people read.
        tenant_id: The customer's tenant, a GUID.
        subscription_id: The customer's subscription, a GUID.
        application_id: ARM id of the managed application, "" if there is none, for example in a test subscription.
        managed_resource_group: The name of the managed resource group.
        location: The Azure region.
        prefix: The prefix of the names that follow by convention.
        settings: The settings that do not follow by convention, by their names.
        registry_token: The name of the customer's token in the publisher's container registry, "" if there is none yet.
        ring: The ring, which is the group of instances that get a release together, "" if nobody has chosen one.
        release: The version that the instance is to have, "" if nobody has chosen one.
    """

    id: str
    display_name: str
    tenant_id: str
    subscription_id: str
    managed_resource_group: str
    location: str
    prefix: str
    settings: Mapping[str, str] = field(default_factory=dict)
    application_id: str = ""
    registry_token: str = ""
    ring: str = ""
    release: str = ""


PARTS = tuple(each.name for each in fields(Instance))
OPTIONAL = ("application_id", "registry_token", "ring", "release")


def read(content: bytes | str, *, source: str) -> Instance:
    """Return the instance that a JSON text describes.

    Args:
        content: The JSON text.
        source: Where the text comes from, for messages.

    Raises:
        RunbookError: VD-INSTANCE-001 if the text is not a valid document.
    """
    if len(content) > MAX_DOCUMENT_LENGTH:
        raise _malformed(source, f"it is longer than {MAX_DOCUMENT_LENGTH}")
    try:
        document = strict_json.loads(content)
    except strict_json.NotStrictJsonError as error:
        raise _malformed(source, f"it is no strict JSON: {error}") from error
    if not isinstance(document, dict):
        raise _malformed(source, "it is no JSON object")
    missing = [name for name in PARTS if name not in document and name not in OPTIONAL]
    if missing:
        raise _malformed(source, f"it lacks {', '.join(missing)}")
    unknown = [name for name in document if name not in PARTS]
    if unknown:
        raise _malformed(source, f"it has {_shown(unknown[0])}, which is no part; parts are {', '.join(PARTS)}")
    texts = {name: value for name, value in document.items() if name != "settings"}
    for name, value in texts.items():
        why = _why_refused(name, value)
        if why:
            raise _malformed(source, f"{name} {why}")
    instance = Instance(**texts, settings=_settings(document["settings"], source))
    application = instance.application_id.lower()
    if application and not application.startswith(f"/subscriptions/{instance.subscription_id.lower()}/"):
        raise _malformed(source, "application_id lies in another subscription than subscription_id")
    return instance


def document_of(instance: Instance) -> dict[str, object]:
    """Return the JSON object of an instance. Its settings are in alphabetical order."""
    parts = {name: getattr(instance, name) for name in PARTS}
    return {**parts, "settings": dict(sorted(instance.settings.items()))}


def to_json(instance: Instance) -> str:
    """Return the JSON text of an instance. `read` can read this text."""
    return json.dumps(document_of(instance), ensure_ascii=False, sort_keys=True)


def changed(instance: Instance, values: Mapping[str, str]) -> Instance:
    """Return an instance with other values.

    Args:
        instance: The instance before the change.
        values: The new values, by the names of the parts. A setting has the name `settings.NAME`. The value "" removes
            it.

    Raises:
        RunbookError: VD-INSTANCE-001 if a name is unknown, or if the new document would be malformed.
    """
    parts: dict[str, str] = {}
    settings = dict(instance.settings)
    for name, value in values.items():
        part, _, setting = name.partition(".")
        if part == "settings" and setting:
            settings = {**settings, setting: value} if value else {k: v for k, v in settings.items() if k != setting}
        elif name == "id":
            raise _malformed(f"instance {instance.id}", "its id stays; remove it, and add another one")
        elif name not in PARTS or name == "settings":
            raise _malformed(f"instance {instance.id}", f"{_shown(name)} is no part; a setting is settings.NAME")
        else:
            parts[name] = value
    made = replace(instance, settings=settings, **parts)
    return read(to_json(made), source=f"instance {instance.id}")


def _settings(value: object, source: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise _malformed(source, "settings takes a JSON object of texts")
    for name, given in value.items():
        if name in PARTS_THAT_ARE_SETTINGS.values():
            raise _malformed(source, f"settings.{name} is a part of its own: id, subscription_id, ...")
        if name not in SETTINGS:
            raise _malformed(source, f"settings has {_shown(name)}, which is none; known are {', '.join(SETTINGS)}")
        if not isinstance(given, str) or not given:
            raise _malformed(source, f"settings.{name} takes a text")
        why = why_refused(name, given)
        if why:
            raise _malformed(source, f"settings.{name} {why}")
    missing = [name for name in REQUIRED_SETTINGS if name not in value]
    if missing:
        raise _malformed(source, f"settings lacks {', '.join(missing)}, which no convention makes")
    return dict(value)


def _why_refused(name: str, value: object) -> str:
    if not isinstance(value, str):
        return "takes a text"
    if name in PARTS_THAT_ARE_SETTINGS:
        return why_refused(PARTS_THAT_ARE_SETTINGS[name], value)
    return "" if fits(FORMS[name], value) else f"takes {FORMS[name][1]}"


def _malformed(source: str, why: str) -> RunbookError:
    return publisher.DOCUMENT_MALFORMED.error(why, target=source)


def _shown(words: object) -> str:
    return f"'{one_line(str(words), MAX_SHOWN_CHARACTERS)}'"
