"""Rules of a createUiDefinition by itself: its head, and each element."""

import re
from collections.abc import Iterator

from runbook_lib.basics.strict_json import member
from vibedata.package.contents import USER_INTERFACE, Contents
from vibedata.package.controls import CHECK_BOX, CHOICES, PASSWORD_BOX, SILENT, TEXT_BOX, Element, elements, outputs
from vibedata.package.regexes import MAX_CHARACTERS, Trial, try_all
from vibedata.package.rule import Fault, arm_ttk, rule
from vibedata.package.template import walk

_VERSION = "0.1.2-preview"
_SCHEMA = f"https://schema.management.azure.com/schemas/{_VERSION}/CreateUIDefinition.MultiVm.json#"
_HANDLERS = ("Microsoft.Azure.CreateUIDef", "Microsoft.Compute.MultiVm")
_ELEMENTS = "learn azure-resource-manager/managed-applications/create-uidefinition-elements"
_MAY_BE_EMPTY = ("basics", "steps", "defaultValue")
_WITHOUT_TOOL_TIP = (
    *SILENT,
    "Microsoft.Common.EditableGrid",
    "Microsoft.Solutions.ArmApiControl",
    "Microsoft.Solutions.GraphApiControl",
    "Microsoft.Solutions.JitConfigurator",
)
_LENGTH = re.compile(r"\{(\d{1,9})(?:,\d*)?\}")
_MIN_PASSWORD = 12
_OFFER_EXISTING = (
    "Microsoft.Storage.StorageAccountSelector",
    "Microsoft.Network.PublicIpAddressCombo",
    "Microsoft.Network.VirtualNetworkCombo",
)
_COMMON = {"name", "type", "visible"}
_ASKING = {*_COMMON, "label", "defaultValue", "toolTip", "constraints"}
_PROPERTIES = {
    TEXT_BOX: {*_ASKING, "placeholder", "multiLine"},
    "Microsoft.Common.DropDown": {*_ASKING, "placeholder", "filter", "filterPlaceholder", "multiselect", "selectAll"},
    "Microsoft.Common.OptionsGroup": _ASKING,
    CHECK_BOX: _ASKING,
    PASSWORD_BOX: {*_COMMON, "label", "toolTip", "constraints", "options"},
    "Microsoft.Common.InfoBox": {*_COMMON, "options"},
    "Microsoft.Common.TextBlock": {*_COMMON, "options"},
    "Microsoft.Common.Section": {*_COMMON, "label", "elements"},
}
# Elements that the project does not use. All their members are accepted.
_OTHERS = {
    "Microsoft.Common.EditableGrid",
    "Microsoft.Common.FileUpload",
    "Microsoft.Common.ServicePrincipalSelector",
    "Microsoft.Common.Slider",
    "Microsoft.Common.TagsByResource",
    "Microsoft.Compute.CredentialsCombo",
    "Microsoft.Compute.SizeSelector",
    "Microsoft.Compute.UserNameTextBox",
    "Microsoft.KeyVault.KeyVaultCertificateSelector",
    "Microsoft.ManagedIdentity.IdentitySelector",
    "Microsoft.Network.PublicIpAddressCombo",
    "Microsoft.Network.VirtualNetworkCombo",
    "Microsoft.Solutions.ArmApiControl",
    "Microsoft.Solutions.BladeInvokeControl",
    "Microsoft.Solutions.GraphApiControl",
    "Microsoft.Solutions.JitConfigurator",
    "Microsoft.Solutions.ResourceSelector",
    "Microsoft.Storage.MultiStorageAccountCombo",
    "Microsoft.Storage.StorageAccountSelector",
    "Microsoft.Storage.StorageBlobSelector",
}


@rule(
    "CreateUIDefinition Should Have Schema",
    source=arm_ttk("CreateUIDefinition/CreateUIDefinition-Should-Have-Schema"),
    remedy=f"Write $schema {_SCHEMA} and version {_VERSION}.",
    needs=[USER_INTERFACE],
)
def create_ui_definition_should_have_schema(contents: Contents) -> Iterator[Fault]:
    """Find a definition with another schema or version."""
    value = contents.documents[USER_INTERFACE].value
    for key, wanted in (("$schema", _SCHEMA), ("version", _VERSION)):
        if member(value, key) != wanted:
            yield Fault(USER_INTERFACE, (key,), f"{key} is not {wanted}")


@rule(
    "Handler Must Be Correct",
    source=arm_ttk("CreateUIDefinition/Handler-Must-Be-Correct"),
    remedy=f"Write handler {_HANDLERS[0]}.",
    needs=[USER_INTERFACE],
)
def handler_must_be_correct(contents: Contents) -> Iterator[Fault]:
    """Find a handler that the portal does not have."""
    if member(contents.documents[USER_INTERFACE].value, "handler") not in _HANDLERS:
        yield Fault(USER_INTERFACE, ("handler",), "the handler is missing or not known")


@rule(
    "CreateUIDefinition Must Not Have Blanks",
    source=arm_ttk("CreateUIDefinition/CreateUIDefinition-Must-Not-Have-Blanks"),
    remedy="Take the empty value out.",
    needs=[USER_INTERFACE],
)
def create_ui_definition_must_not_have_blanks(contents: Contents) -> Iterator[Fault]:
    """Find an empty object, list or text, or null."""
    for path, value in walk(contents.documents[USER_INTERFACE].value, ()):
        key = path[-1] if path else None
        blank = value is None or value in ({}, [], [{}], [""]) or (isinstance(value, str) and not value.strip())
        if isinstance(key, str) and key not in _MAY_BE_EMPTY and blank:
            yield Fault(USER_INTERFACE, path, f"{key} is empty")


@rule(
    "Tooltips Should Be Present",
    source=arm_ttk("CreateUIDefinition/Tooltips-Should-Be-Present"),
    remedy="Write a toolTip that says what is meant and where it is found.",
    needs=[USER_INTERFACE],
)
def tooltips_should_be_present(contents: Contents) -> Iterator[Fault]:
    """Find an element that asks for something and does not explain it."""
    for element in _all(contents):
        if element.type not in _WITHOUT_TOOL_TIP and not element.value.get("toolTip"):
            yield Fault(USER_INTERFACE, element.path, f"{element.name} has no toolTip")


@rule(
    "Textboxes Are Well Formed",
    source=arm_ttk("CreateUIDefinition/Textboxes-Are-Well-Formed"),
    remedy="Give the text box a validation with a regex that limits the length, for example ^[a-z]{1,30}$.",
    needs=[USER_INTERFACE],
)
def textboxes_are_well_formed(contents: Contents) -> Iterator[Fault]:
    """Find a text box without a regular expression that limits the length.

    Also find a regular expression that has no message, that cannot be read, or that takes too long.
    """
    trials = try_all((regex, "") for element in _all(contents, TEXT_BOX) for regex in _regexes(element))
    for element in _all(contents, TEXT_BOX):
        path = (*element.path, "constraints")
        regexes = _regexes(element)
        if not regexes:
            yield Fault(USER_INTERFACE, path, f"{element.name} has no regex")
        if "regex" in element.constraints and not element.constraints.get("validationMessage"):
            yield Fault(USER_INTERFACE, path, f"{element.name} has a regex and no validationMessage")
        for regex in regexes:
            if trials[regex, ""] is Trial.UNREADABLE:
                yield Fault(USER_INTERFACE, path, f"a regex of {element.name} cannot be read")
            if trials[regex, ""] is Trial.TOO_LONG:
                message = f"a regex of {element.name} has more than {MAX_CHARACTERS} characters, or takes too long"
                yield Fault(USER_INTERFACE, path, message)
        if regexes and not any(_LENGTH.search(regex) for regex in regexes):
            yield Fault(USER_INTERFACE, path, f"no regex of {element.name} limits the length")


@rule(
    "Validations Must Have Message",
    source=arm_ttk("CreateUIDefinition/Validations-Must-Have-Message"),
    remedy="Write a message that says what the customer has to enter.",
    needs=[USER_INTERFACE],
)
def validations_must_have_message(contents: Contents) -> Iterator[Fault]:
    """Find a check that does not say what is wrong."""
    for path, value in walk(contents.documents[USER_INTERFACE].value, ()):
        if path and path[-1] == "validations" and isinstance(value, list):
            for index, each in enumerate(value):
                if not member(each, "message"):
                    yield Fault(USER_INTERFACE, (*path, index), "the validation has no message")


@rule(
    "Usernames Should Not Have A Default",
    source=arm_ttk("CreateUIDefinition/Usernames-Should-Not-Have-A-Default"),
    remedy="Take the default out.",
    needs=[USER_INTERFACE],
)
def usernames_should_not_have_a_default(contents: Contents) -> Iterator[Fault]:
    """Find a user's name that is the same for every customer."""
    for element in _all(contents, "Microsoft.Compute.UserNameTextBox"):
        if element.value.get("defaultValue"):
            yield Fault(USER_INTERFACE, (*element.path, "defaultValue"), f"{element.name} has a default")


@rule(
    "Credential Confirmation Should Not Be Hidden",
    source=arm_ttk("CreateUIDefinition/Credential-Confirmation-Should-Not-Be-Hidden"),
    remedy="Take hideConfirmation out.",
    needs=[USER_INTERFACE],
)
def credential_confirmation_should_not_be_hidden(contents: Contents) -> Iterator[Fault]:
    """Find a password that the customer enters only once."""
    for element in _all(contents, PASSWORD_BOX, "Microsoft.Compute.CredentialsCombo"):
        if member(element.value, "options", "hideConfirmation") is True:
            yield Fault(USER_INTERFACE, (*element.path, "options"), f"{element.name} hides the confirmation")


@rule(
    "PasswordBoxes Must Have Min Length",
    source=arm_ttk("CreateUIDefinition/PasswordBoxes-Must-Have-Min-Length"),
    remedy=f"Write a regex that demands {_MIN_PASSWORD} characters or more.",
    needs=[USER_INTERFACE],
)
def password_boxes_must_have_min_length(contents: Contents) -> Iterator[Fault]:
    """Find a password that may be short, or a password box without constraints.

    If the constraints have no regular expression, the portal's own rules count.
    """
    for element in _all(contents, PASSWORD_BOX):
        regex = element.constraints.get("regex")
        shortest = sum(int(each) for each in _LENGTH.findall(regex)) if isinstance(regex, str) else _MIN_PASSWORD
        if not element.constraints or shortest < _MIN_PASSWORD:
            yield Fault(USER_INTERFACE, element.path, f"{element.name} does not demand {_MIN_PASSWORD} characters")


@rule(
    "HideExisting Must Be Correctly Handled",
    source=arm_ttk("CreateUIDefinition/HideExisting-Must-Be-Correctly-Handled"),
    remedy="Write the outputs resourceGroup and newOrExisting of the element, or hide existing resources.",
    needs=[USER_INTERFACE],
)
def hide_existing_must_be_correctly_handled(contents: Contents) -> Iterator[Fault]:
    """Find an element that offers existing resources, but does not pass on the place of the chosen one."""
    texts = [str(text).lower() for text in outputs(contents.documents[USER_INTERFACE].value).values()]
    for element in _all(contents, *_OFFER_EXISTING):
        if member(element.value, "options", "hideExisting") is True:
            continue
        for part in ("resourcegroup", "neworexisting"):
            if not any(element.name.lower() in text and f".{part}" in text for text in texts):
                yield Fault(USER_INTERFACE, element.path, f"no output hands on {part} of {element.name}")


@rule(
    "Elements Must Be Known",
    source=_ELEMENTS,
    remedy="Correct the type, the property or the name. Each element of a step needs a different name.",
    needs=[USER_INTERFACE],
)
def elements_must_be_known(contents: Contents) -> Iterator[Fault]:
    """Find an element that the portal ignores, or shows in another way than intended."""
    names: set[tuple[str, ...]] = set()
    for element in _all(contents):
        if element.type not in _PROPERTIES and element.type not in _OTHERS:
            yield Fault(USER_INTERFACE, (*element.path, "type"), f"there is no element {element.type}")
        known = _PROPERTIES.get(element.type, set(element.value))
        for key in element.value:
            if key not in known:
                yield Fault(USER_INTERFACE, (*element.path, key), f"{element.type} has no property {key}")
        if not element.name or (*element.way, element.name) in names:
            yield Fault(USER_INTERFACE, element.path, f"the name {element.name!r} is missing or taken")
        names.add((*element.way, element.name))


@rule(
    "Defaults Must Be Labels",
    source="learn azure-resource-manager/managed-applications/microsoft-common-optionsgroup",
    remedy="Write the label of one of allowedValues, not its value.",
    needs=[USER_INTERFACE],
)
def defaults_must_be_labels(contents: Contents) -> Iterator[Fault]:
    """Find a choice whose default is not one of its labels. The portal would take another default."""
    for element in _all(contents, *CHOICES):
        allowed = element.constraints.get("allowedValues")
        labels = [member(each, "label") for each in allowed] if isinstance(allowed, list) else []
        if not labels:
            yield Fault(USER_INTERFACE, element.path, f"{element.name} offers nothing")
        elif element.value.get("defaultValue", labels[0]) not in labels:
            yield Fault(USER_INTERFACE, (*element.path, "defaultValue"), f"the default of {element.name} is no label")


def _all(contents: Contents, *types: str) -> Iterator[Element]:
    for element in elements(contents.documents[USER_INTERFACE].value):
        if not types or element.type in types:
            yield element


def _regexes(element: Element) -> list[str]:
    found = [element.constraints.get("regex"), *(member(each, "regex") for each in element.validations)]
    return [each for each in found if isinstance(each, str)]
