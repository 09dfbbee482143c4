"""Settings: the names and addresses of one instance, made from one short prefix. Each can be overridden.

Precedence: the run's parameter `settings`, then the environment (VIBEDATA_*), then the Automation variable vibedata-
settings, then the convention. Settings hold names and addresses, never secrets. A run's parameter may not hold a
setting of WITH_THE_DEPLOYMENT, ADDRESSES or IDENTITY.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

from runbook_lib.azure.names import (
    AUTOMATION_ACCOUNT,
    CONTAINER_REGISTRY,
    RESOURCE_GROUP,
    STORAGE_ACCOUNT,
)
from runbook_lib.basics import addresses, strict_json
from runbook_lib.basics.forms import GUID, HOST, INSTANCE_ID, PUBLIC_HOST, URL, Form, fits
from runbook_lib.errors import azure, trust

ENVIRONMENT_PREFIX = "VIBEDATA_"
AUTOMATION_VARIABLE = "vibedata-settings"
MAX_VALUE_LENGTH = 512
# The deployment says which signers to trust. Anybody who may start a job chooses its parameters, but must not choose
# the signers.
WITH_THE_DEPLOYMENT = ("trust_roots", "trusted_identity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Names and addresses of one managed application, and of its publisher's container registry."""

    prefix: str
    subscription_id: str
    resource_group: str
    arm_endpoint: str
    automation_account: str
    storage_account: str
    blob_endpoint: str
    table_endpoint: str
    key_vault_endpoint: str
    customer_registry: str
    customer_registry_name: str
    publisher_registry: str
    logs_endpoint: str
    dcr_id: str
    uami_client_id: str
    publisher_api: str
    instance_id: str
    public_host: str
    gateway: str
    trust_roots: str
    trusted_identity: str
    immutability: str

    @property
    def resource_group_id(self) -> str:
        """ARM id of the managed resource group."""
        return f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"


# The form of each setting, in the order of Settings' fields.
_FORMS: dict[str, Form] = {
    "prefix": (r"[a-z][a-z0-9]{1,14}", "2 to 15 small letters and digits"),
    "subscription_id": GUID,
    "resource_group": RESOURCE_GROUP,
    "arm_endpoint": URL,
    "automation_account": AUTOMATION_ACCOUNT,
    "storage_account": STORAGE_ACCOUNT,
    "blob_endpoint": URL,
    "table_endpoint": URL,
    "key_vault_endpoint": URL,
    "customer_registry": HOST,
    "customer_registry_name": CONTAINER_REGISTRY,
    "publisher_registry": HOST,
    "logs_endpoint": URL,
    "dcr_id": (r"dcr-[0-9a-f]{32}", "a data collection rule's immutable id, dcr-..."),
    # Only Automation needs it: identity.credential checks that.
    "uami_client_id": (f"({GUID[0]})?", GUID[1]),
    "publisher_api": URL,
    "instance_id": INSTANCE_ID,
    # The host name of the instance, and the address at which its Application Gateway listens for it.
    "public_host": PUBLIC_HOST,
    "gateway": HOST,
    # There are two roots while the publisher changes its root. If no root is pinned, nothing is trusted:
    # runbook_lib.trust.pinned_policy.
    "trust_roots": (r"([0-9a-f]{64}(,[0-9a-f]{64})?)?", "one or two SHA-256 fingerprints of certificates, in hex"),
    "trusted_identity": (r"[^\x00-\x1f\x7f]*", "a certificate's subject, as RFC 4514 writes it"),
    # The retention policy that the container of release manifests must have: runbook_lib.release.immutability.
    "immutability": (r"unlocked|locked", "unlocked or locked"),
}

# A run sends its requests, with the tokens of its managed identity, to these addresses. So the person who starts a job
# must not choose them. An address that follows from a name by convention is always in Azure's own domains.
ADDRESSES = tuple(name for name, form in _FORMS.items() if form in (URL, HOST, PUBLIC_HOST))

# These say which instance it is, and which identity it uses. The person who starts a job must not choose the instance
# that a run reports for. By convention the instance's id is the subscription's id.
IDENTITY = ("subscription_id", "uami_client_id", "instance_id")

# The demands of the runbooks. The person who starts a job must not lower them.
GUARANTEES = ("immutability",)

# The settings that have a default.
_CONVENTION = {
    "prefix": "vibedata",
    "resource_group": "{prefix}-managed",
    "arm_endpoint": "https://management.azure.com",
    "automation_account": "{prefix}-automation",
    "storage_account": "{prefix}storage",
    "blob_endpoint": "https://{storage_account}.blob.core.windows.net",
    "table_endpoint": "https://{storage_account}.table.core.windows.net",
    "key_vault_endpoint": "https://{prefix}-kv.vault.azure.net",
    "customer_registry": "{customer_registry_name}.azurecr.io",
    "customer_registry_name": "{prefix}acr",
    "publisher_registry": "vibedata.azurecr.io",
    "uami_client_id": "",
    "publisher_api": "https://api.vibedata.ai",
    # A subscription has one deployment.
    "instance_id": "{subscription_id}",
    "public_host": "{instance_id}.vibedata.ai",
    "gateway": "{public_host}",
    "trust_roots": "",
    "trusted_identity": "",
    "immutability": "unlocked",
}


# These settings follow from a name that may have capitals.
_LOWERED = ("customer_registry", "instance_id")


def load(overrides: Mapping[str, str], environ: Mapping[str, str], automation_variable: str | None) -> Settings:
    """Return the settings.

    `overrides` is the run's parameter `settings`. `environ` is the process's environment: VIBEDATA_<SETTING> counts.
    `automation_variable` is the text of Automation variable vibedata-settings (a JSON object), None if there is none.
    Raises RunbookError VD-SETTINGS-001 (missing), -002 (malformed), -003 (unknown), -004 (a run's parameter has an
    address, the instance's identity or a guarantee), VD-TRUST-031 (a run's parameter says whom to trust).
    """
    for name in WITH_THE_DEPLOYMENT:
        if name in overrides:
            raise trust.TRUST_AS_PARAMETER.error(target=name)
    for name in (*ADDRESSES, *GUARANTEES):
        if name in overrides:
            raise azure.ADDRESS_AS_PARAMETER.error(target=name)
    sources: list[tuple[str, Mapping[str, str]]] = [
        ("the parameter settings", overrides),
        ("the environment", _from_environment(environ)),
        (f"the Automation variable {AUTOMATION_VARIABLE}", _from_variable(automation_variable)),
    ]
    for source, values in sources:
        for name in values:
            if name not in _FORMS:
                raise azure.UNKNOWN_SETTING.error(f"from {source}; known are {', '.join(_FORMS)}", target=name)
    for name in dict.fromkeys(name for _, values in sources for name, value in values.items() if value):
        _value(name, sources)  # check forms before absence, because a wrong form is visible on the command line
    _require_all(sources)
    settings = Settings(**{item.name: _value(item.name, sources) for item in fields(Settings)})
    for name in IDENTITY:
        if name in overrides:
            raise azure.ADDRESS_AS_PARAMETER.error(target=name)
    return settings


def automation_variable() -> str | None:
    """Return the text of the Automation variable, None if it is not set or this is not Automation.

    `automationassets` is the sandbox's own module. It raises AutomationAssetNotFound for an unknown variable, or
    returns None after its retries (docs/azure-facts.md#managed-identity).
    """
    try:
        import automationassets
    except ImportError:
        return None
    try:
        value = automationassets.get_automation_variable(AUTOMATION_VARIABLE)
    except automationassets.AutomationAssetNotFound:
        return None
    if value is not None and not isinstance(value, str):
        raise azure.MALFORMED_SETTING.error("takes a text, itself a JSON object", target=AUTOMATION_VARIABLE)
    return value


def _from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the settings in the environment. It may also hold other VIBEDATA_* variables, for other tools."""
    named = {name: environ.get(ENVIRONMENT_PREFIX + name.upper(), "") for name in _FORMS}
    return {name: value for name, value in named.items() if value}


def _from_variable(text: str | None) -> dict[str, str]:
    if not text:
        return {}
    try:
        values = strict_json.loads(text)
    except strict_json.NotStrictJsonError as error:
        raise azure.MALFORMED_SETTING.error(
            f"takes a JSON object of texts; {error}", target=AUTOMATION_VARIABLE
        ) from error
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise azure.MALFORMED_SETTING.error("takes a JSON object of texts", target=AUTOMATION_VARIABLE)
    return values


def _require_all(sources: list[tuple[str, Mapping[str, str]]]) -> None:
    """Raise VD-SETTINGS-001 with the names of all missing settings, so that the user can add them all at once."""
    given = {name for _, values in sources for name, value in values.items() if value}
    missing = [name for name in _FORMS if name not in _CONVENTION and name not in given]
    if missing:
        takes = "; ".join(f"{name} takes {_FORMS[name][1]}" for name in missing)
        variables = ", ".join(ENVIRONMENT_PREFIX + name.upper() for name in missing)
        raise azure.MISSING_SETTING.error(
            takes,
            target=", ".join(missing),
            remedy=f"For the command vibedata, set {variables} in the environment; for the lab: `source .lab/lab.env`."
            " For runs in Automation, add it to the Automation variable vibedata-settings.",
        )


def _value(name: str, sources: list[tuple[str, Mapping[str, str]]]) -> str:
    source, value = next(
        ((source, values[name]) for source, values in sources if name in values), ("the naming convention", "")
    )
    if not value:
        template = _CONVENTION[name]
        value = template.format(**{part: _value(part, sources) for part in re.findall(r"{(\w+)}", template)})
        # Names of registries and GUIDs may have capitals. Hosts and ids that are made from them have none.
        value = value.lower() if name in _LOWERED else value
    why = why_refused(name, value)
    if why:
        raise azure.MALFORMED_SETTING.error(f"{why}; from {source}", target=name)
    return value.rstrip("/") if _FORMS[name] == URL else value


def why_refused(name: str, value: str) -> str:
    """Return why a setting does not take a value, "" if it takes it. `name` is the name of a field of Settings."""
    form, takes = _FORMS[name], _FORMS[name][1]
    if len(value) > MAX_VALUE_LENGTH or not fits(form, value):
        return f"takes {takes}"
    if name in ADDRESSES:
        try:
            addresses.read(value if form == URL else f"https://{value}")
        except addresses.NotAnAddressError as error:
            return f"takes {takes}, and {error}"
    return ""
