"""One seeded fault for each rule of the user interface, the view, the publisher's values and the package's files."""

from collections.abc import Callable
from typing import Any

from tests.support.package_drafts import Draft
from tests.support.package_faults import Seed, seed
from vibedata.package.rules.files import MAX_BYTES

PASSWORD: dict[str, Any] = {
    "name": "password",
    "type": "Microsoft.Common.PasswordBox",
    "label": {"password": "Password", "confirmPassword": "Again"},
    "toolTip": "A password.",
    "constraints": {"required": True, "regex": "^.{12,}$", "validationMessage": "At least 12 characters."},
}


def _outputs(**more: str) -> Callable[[Draft], object]:
    return lambda draft: draft.user_interface["parameters"]["outputs"].update(more)


def _element(**element: object) -> Callable[[Draft], object]:
    return lambda draft: draft.user_interface["parameters"]["steps"][0]["elements"].append(element)


def _changed(name: str, step: str = "people", **more: object) -> Callable[[Draft], object]:
    return lambda draft: draft.elements(step)[name].update(more)


def _constrained(name: str, step: str, **more: object) -> Callable[[Draft], object]:
    return lambda draft: draft.elements(step)[name]["constraints"].update(more)


def _hidden_output(draft: Draft) -> None:
    _outputs(alertEmail="[if(steps('records').lockedAccepted, steps('people').alertEmail, 'a@b.example')]")(draft)


def _visible_password(draft: Draft) -> None:
    draft.template["parameters"]["alertEmail"] = {"type": "securestring"}


def _sizes(draft: Draft) -> None:
    _element(
        name="size",
        type="Microsoft.Compute.SizeSelector",
        label="Size",
        toolTip="A size.",
        constraints={"allowedSizes": ["Standard_D4s_v5"]},
    )(draft)
    draft.template["parameters"]["size"] = {"type": "string", "defaultValue": "Standard_D2s_v5"}
    draft.template["outputs"]["seeded"] = {"type": "string", "value": "[parameters('size')]"}
    _outputs(size="[steps('people').size]")(draft)


def _value(name: str, value: object) -> Callable[[Draft], object]:
    return lambda draft: draft.publisher["parameters"].update({name: value})


FILE_SEEDS: tuple[Seed, ...] = (
    seed("Package Must Not Be Too Large", "", lambda draft: draft.artifacts.update({"large.whl": MAX_BYTES + 1})),
    seed("Names In The Package Must Be Unique", "", lambda draft: draft.artifacts.update({"MainTemplate.json": 2})),
    seed("View Definition Is Correct", '"kind": "Custom"', lambda draft: draft.view["views"][0].update(kind="Custom")),
    seed(
        "DeploymentParameters Should Have Schema", '"$schema"', lambda draft: draft.publisher.update({"$schema": "x"})
    ),
    seed(
        "DeploymentParameters Should Have ContentVersion",
        '"contentVersion"',
        lambda draft: draft.publisher.update(contentVersion="1"),
    ),
    seed("DeploymentParameters Should Have Parameters", "{", lambda draft: draft.publisher.pop("parameters")),
    seed("DeploymentParameters Should Have Value", '"images"', _value("images", {"reference": "x"})),
    seed("Publisher Values Must Fit The Template", '"crossTenant"', _value("crossTenant", {"value": "yes"})),
    seed(
        "CreateUIDefinition Should Have Schema", '"version"', lambda draft: draft.user_interface.update(version="0.1.3")
    ),
    seed("Handler Must Be Correct", '"handler"', lambda draft: draft.user_interface.update(handler="Mine")),
    seed("CreateUIDefinition Must Not Have Blanks", '"label": ""', _changed("alertEmail", label="")),
    seed("Tooltips Should Be Present", "{", lambda draft: draft.elements("people")["alertEmail"].pop("toolTip")),
    seed(
        "Textboxes Are Well Formed",
        '"constraints"',
        lambda draft: draft.elements("people")["alertEmail"]["constraints"].pop("validations"),
    ),
    seed(
        "Validations Must Have Message",
        "{",
        lambda draft: draft.elements("people")["alertEmail"]["constraints"]["validations"][0].pop("message"),
    ),
    seed(
        "Usernames Should Not Have A Default",
        '"defaultValue": "root"',
        _element(name="user", type="Microsoft.Compute.UserNameTextBox", toolTip="A name.", defaultValue="root"),
    ),
    seed(
        "Credential Confirmation Should Not Be Hidden",
        '"options"',
        _element(**PASSWORD, options={"hideConfirmation": True}),
    ),
    seed(
        "PasswordBoxes Must Have Min Length",
        "{",
        _element(**{**PASSWORD, "constraints": {"regex": "^.{8,}$", "validationMessage": "Longer."}}),
    ),
    seed(
        "HideExisting Must Be Correctly Handled",
        "{",
        _element(name="network", type="Microsoft.Network.VirtualNetworkCombo", toolTip="A network."),
    ),
    seed("Elements Must Be Known", '"Microsoft.Common.TextBx"', _changed("alertEmail", type="Microsoft.Common.TextBx")),
    seed("Elements Must Be Known", '"tooltip"', _changed("alertEmail", tooltip="Gets a mail.")),
    seed("Defaults Must Be Labels", '"defaultValue"', _changed("immutability", "records", defaultValue="unlocked")),
    seed("Location Should Be In Outputs", '"location"', _outputs(location="westeurope")),
    seed("Controls In Outputs Must Exist", '"alertEmail"', _outputs(alertEmail="[steps('people').alertMail]")),
    seed("Outputs Must Be Present In Template Parameters", '"region"', _outputs(region="[location()]")),
    seed(
        "Parameters Without Default Must Exist In CreateUIDefinition",
        '"publisherApi"',
        lambda draft: draft.publisher["parameters"].pop("publisherApi"),
    ),
    seed(
        "Allowed Values Should Actually Be Allowed",
        "{",
        lambda draft: draft.elements("people")["customerAdminType"]["constraints"]["allowedValues"].append(
            {"label": "An application", "value": "ServicePrincipal"}
        ),
    ),
    seed("Password Textboxes Must Be Used For Password Parameters", "{", _visible_password),
    seed("VMSizes Must Match Template", "{", _sizes),
    seed(
        "Resource Providers Must Be Listed",
        '"resourceProviders"',
        lambda draft: draft.user_interface["parameters"]["config"]["basics"]["subscription"][
            "resourceProviders"
        ].remove("Microsoft.App"),
    ),
    seed("Outputs Must Have Values In Each Combination", '"alertEmail"', _hidden_output),
    seed(
        "Outputs Must Fit The Parameters In Each Combination",
        '"customerIpRanges"',
        _outputs(customerIpRanges="[steps('network').customerIpRanges]"),
    ),
    seed("Placeholders Must Be Valid", "{", _changed("alertEmail", placeholder="azure-admins")),
)
