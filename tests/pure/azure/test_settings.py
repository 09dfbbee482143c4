import json
import re
import sys
import types
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st

from publisher.session import setting
from runbook_lib.azure.settings import (
    ADDRESSES,
    IDENTITY,
    MAX_VALUE_LENGTH,
    WITH_THE_DEPLOYMENT,
    Settings,
    automation_variable,
    load,
)
from runbook_lib.basics.forms import URL
from runbook_lib.errors import RunbookError

GUID = "11111111-2222-3333-4444-555555555555"
NEEDED = {
    "subscription_id": GUID,
    "logs_endpoint": "https://vd.westeurope-1.ingest.monitor.azure.com",
    "dcr_id": "dcr-" + "0a" * 16,
}


def environ(values: Mapping[str, str]) -> dict[str, str]:
    return {f"VIBEDATA_{name.upper()}": value for name, value in values.items()}


def given(**values: str) -> dict[str, str]:
    """Return an environment with the required settings, and these."""
    return environ({**NEEDED, **values})


def refused(
    overrides: Mapping[str, str] = {}, variables: Mapping[str, str] = {}, variable: str | None = None
) -> RunbookError:
    with pytest.raises(RunbookError) as caught:
        load(overrides, variables, variable)
    assert caught.value.exit_code == 2
    return caught.value


def test_the_convention_names_everything_that_has_a_convention() -> None:
    assert asdict(load({}, given(), None)) == {
        **NEEDED,
        "prefix": "vibedata",
        "resource_group": "vibedata-managed",
        "arm_endpoint": "https://management.azure.com",
        "automation_account": "vibedata-automation",
        "storage_account": "vibedatastorage",
        "blob_endpoint": "https://vibedatastorage.blob.core.windows.net",
        "table_endpoint": "https://vibedatastorage.table.core.windows.net",
        "key_vault_endpoint": "https://vibedata-kv.vault.azure.net",
        "customer_registry": "vibedataacr.azurecr.io",
        "customer_registry_name": "vibedataacr",
        "publisher_registry": "vibedata.azurecr.io",
        "uami_client_id": "",
        "publisher_api": "https://api.vibedata.ai",
        "instance_id": GUID,
        "public_host": f"{GUID}.vibedata.ai",
        "gateway": f"{GUID}.vibedata.ai",
        "trust_roots": "",
        "trusted_identity": "",
        "immutability": "unlocked",
    }


def test_the_longest_public_host() -> None:
    host = "a" * 52 + ".vibedata.ai"
    assert load({}, given(public_host=host), None).public_host == host
    assert refused({}, given(instance_id="a" * 53)).target == "public_host"


def test_another_prefix_renames_what_follows_from_it() -> None:
    settings = load({"prefix": "vd7", "customer_registry_name": "other"}, given(), None)
    assert settings.automation_account == "vd7-automation"
    assert settings.blob_endpoint == "https://vd7storage.blob.core.windows.net"
    assert settings.customer_registry == "other.azurecr.io"
    assert settings.resource_group_id == f"/subscriptions/{GUID}/resourceGroups/vd7-managed"


@given_any(st.sets(st.sampled_from(["parameter", "environment", "variable"])))
def test_precedence(sources: set[str]) -> None:
    def holding(source: str) -> dict[str, str]:
        return {"automation_account": source} if source in sources else {}

    settings = load(holding("parameter"), given(**holding("environment")), json.dumps(holding("variable")))
    order = [source for source in ("parameter", "environment", "variable") if source in sources]
    assert settings.automation_account == [*order, "vibedata-automation"][0]


def test_an_empty_setting_counts_as_none() -> None:
    settings = load({"customer_registry_name": ""}, {**given(), "VIBEDATA_PREFIX": ""}, "")
    assert settings.customer_registry == "vibedataacr.azurecr.io"
    assert settings.prefix == "vibedata"


def test_the_environment_may_hold_other_tools_variables() -> None:
    load({}, {**given(), "VIBEDATA_LAB_CONTROL": "x", "VIBEDATA_PUBLISHER_REGISTRY_PASSWORD": "y"}, None)


def test_addresses_lose_their_last_slash() -> None:
    settings = load({}, given(arm_endpoint="https://127.0.0.1:8443/"), None)
    assert settings.arm_endpoint == "https://127.0.0.1:8443"


def test_nothing_else_does() -> None:
    name = "O=Vibedata,CN=a/b/"
    assert load({}, given(trusted_identity=name), None).trusted_identity == name


@pytest.mark.parametrize("name", NEEDED)
def test_what_has_no_convention_must_be_given(name: str) -> None:
    error = refused({}, environ({key: value for key, value in NEEDED.items() if key != name}))
    assert error.code == "VD-SETTINGS-001"
    assert name in error.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("prefix", "Vibe data"),
        ("prefix", "v"),
        ("subscription_id", "no-guid"),
        ("subscription_id", GUID + "\n"),
        ("uami_client_id", "{" + GUID + "}"),
        ("arm_endpoint", "http://management.azure.com"),
        ("blob_endpoint", "https://user:password@host"),
        ("blob_endpoint", "https://host/?sig=x"),
        ("table_endpoint", "ftp://host"),
        ("key_vault_endpoint", "vault.azure.net"),
        ("customer_registry", "https://vd.azurecr.io"),
        ("customer_registry", "vd.azurecr.io/path"),
        ("publisher_registry", "vd.azurecr.io:port"),
        ("customer_registry_name", "vd-acr"),
        ("storage_account", "VD"),
        ("resource_group", "a/b"),
        ("resource_group", "ends-with-dot."),
        ("resource_group", "a b"),
        ("resource_group", "a\u00b2"),
        ("resource_group", "a\u200b"),
        ("resource_group", "a" * 91),
        ("resource_group", "\U00010428" * 46),
        ("automation_account", "vd-au"),
        ("automation_account", "1vibedata"),
        ("automation_account", "vibedata-"),
        ("automation_account", "vibe_data"),
        ("automation_account", "a" * 51),
        ("storage_account", "vd"),
        ("storage_account", "v" * 25),
        ("customer_registry_name", "abcd"),
        ("public_host", "a" * 53 + ".vibedata.ai"),  # a certificate's common name has at most 64 characters
        ("dcr_id", "/subscriptions/x"),
        ("automation_account", "a" * 91),
        ("logs_endpoint", "https://" + "a" * MAX_VALUE_LENGTH),
    ],
)
def test_a_malformed_setting_is_named_with_what_it_takes_and_where_it_came_from(name: str, value: str) -> None:
    found = [
        (refused({}, given(**{name: value})), "the environment"),
        (refused({}, {}, json.dumps({**NEEDED, name: value})), "the Automation variable vibedata-settings"),
    ]
    if name not in ADDRESSES:
        found.append((refused({name: value}, given()), "the parameter settings"))
    for error, source in found:
        assert error.code == "VD-SETTINGS-002"
        assert all(part in error.message for part in (name, "takes ", source))
        assert error.message.isprintable()


@pytest.mark.parametrize("source", ["parameter", "variable"])
def test_an_unknown_setting_is_refused(source: str) -> None:
    unknown = {"registry": "x"}
    error = refused(unknown, given()) if source == "parameter" else refused({}, given(), json.dumps(unknown))
    assert error.code == "VD-SETTINGS-003"
    assert "registry" in error.message and "customer_registry" in error.message


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"prefix": 1}', '{"prefix": "a1", "prefix": "b1"}', '"text"'])
def test_a_malformed_automation_variable_is_refused(text: str) -> None:
    error = refused({}, given(), text)
    assert error.code == "VD-SETTINGS-002"
    assert "vibedata-settings" in error.message


@given_any(st.sampled_from([item.name for item in fields(Settings)]), st.text(max_size=80))
def test_whatever_a_setting_holds_is_taken_or_refused_with_a_code(name: str, value: str) -> None:
    try:
        load({}, {}, json.dumps({**NEEDED, name: value}))
    except RunbookError as error:
        assert error.code == "VD-SETTINGS-002" or (error.code == "VD-SETTINGS-001" and not value)


ADDRESS_NAMES = {
    "arm_endpoint",
    "blob_endpoint",
    "table_endpoint",
    "key_vault_endpoint",
    "logs_endpoint",
    "customer_registry",
    "publisher_registry",
    "publisher_api",
    "public_host",
    "gateway",
}


def test_whose_instance_it_is_is_no_parameter_of_a_run() -> None:
    """The person who starts a job must not choose the identity of a run, or the instance that it reports for."""
    given_ones = {"instance_id": "somebody-else", "subscription_id": GUID.replace("1", "9"), "uami_client_id": GUID}
    assert set(IDENTITY) == set(given_ones)
    for name, value in given_ones.items():
        refusal = refused({name: value}, given(**{name: value}))
        assert refusal.code == "VD-SETTINGS-004" and name in refusal.message


def test_an_address_is_no_parameter_of_a_run() -> None:
    """Otherwise the starter of a job could choose the address that gets the tokens of the managed identity."""
    assert set(ADDRESSES) == ADDRESS_NAMES
    for name in ADDRESSES:
        value = "evil.example" if name.endswith(("registry", "public_host", "gateway")) else "https://evil.example"
        for refusal in (refused({name: value}, given()), refused({name: ""}, given(**{name: value}))):
            assert refusal.code == "VD-SETTINGS-004" and name in refusal.message
        # Settings that come with the deployment are accepted.
        assert getattr(load({}, given(**{name: value}), None), name) == value
        assert getattr(load({}, {}, json.dumps({**NEEDED, name: value})), name) == value


@given_any(st.text(max_size=60))
def test_what_the_convention_makes_of_a_name_stays_in_azures_domains(value: str) -> None:
    for name in ("prefix", "storage_account", "customer_registry_name"):
        try:
            settings = load({name: value}, given(), None)
        except RunbookError:
            continue
        hosts = {"customer_registry": settings.customer_registry} | {
            name: getattr(settings, name).removeprefix("https://")
            for name in ("blob_endpoint", "table_endpoint", "key_vault_endpoint")
        }
        assert all(re.fullmatch(r"[A-Za-z0-9-]+\.[a-z.]+", host) for host in hosts.values())
        assert all(host.endswith((".windows.net", ".azure.net", ".azurecr.io")) for host in hosts.values())


@pytest.mark.parametrize("name", WITH_THE_DEPLOYMENT)
def test_whom_to_trust_is_no_parameter_of_a_run(name: str) -> None:
    value = "" if name == "trust_roots" else "CN=Mallory"
    assert refused({name: value}, given()).code == "VD-TRUST-031"
    assert refused({name: value}, given(**{name: value})).code == "VD-TRUST-031"
    # Settings that come with the deployment are accepted.
    assert getattr(load({}, given(**{name: value}), None), name) == value
    assert getattr(load({}, given(), json.dumps({name: value})), name) == value


class AutomationAssetNotFound(Exception):  # noqa: N818 - the sandbox's name
    """The same exception as in the sandbox's module."""


def sandbox(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    """Put a module like the sandbox's own into its place. The real one cannot be installed."""

    def get_automation_variable(name: str) -> Any:
        assert name == "vibedata-settings"
        if isinstance(answer, Exception):
            raise answer
        return answer

    module = types.ModuleType("automationassets")
    vars(module).update(
        AutomationAssetNotFound=AutomationAssetNotFound, get_automation_variable=get_automation_variable
    )
    monkeypatch.setitem(sys.modules, "automationassets", module)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [('{"prefix": "vd1"}', '{"prefix": "vd1"}'), (None, None), (AutomationAssetNotFound(), None)],
)
def test_the_automation_variable(monkeypatch: pytest.MonkeyPatch, answer: Any, expected: str | None) -> None:
    sandbox(monkeypatch, answer)
    assert automation_variable() == expected


def test_an_automation_variable_that_is_no_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox(monkeypatch, {"prefix": "vd1"})
    with pytest.raises(RunbookError, match="VD-SETTINGS-002"):
        automation_variable()


def test_outside_automation_there_is_no_automation_variable() -> None:
    assert automation_variable() is None


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize(
    "host", ["h..example", "-h.example", "a" * 64 + ".example", "h:99999", "h:0", "127.1", "2130706433", "0177.0.0.1"]
)
def test_what_no_client_could_reach_is_no_address(name: str, host: str) -> None:
    value = host if name.endswith("_registry") else f"https://{host}"
    error = refused(variables=given(**{name: value}))
    assert (error.code, error.target) == ("VD-SETTINGS-002", name)


@pytest.mark.parametrize(
    "value", ["https://[", "https://h..example", "https://h:99999", "https://127.1", "https://a\u2100b"]
)
def test_the_publishers_addresses_have_the_same_form(value: str) -> None:
    with pytest.raises(RunbookError) as caught:
        setting({"VIBEDATA_PUBLISHER_TABLE_ENDPOINT": value}, "table_endpoint", URL)
    assert caught.value.code == "VD-SETTINGS-002"


@pytest.mark.parametrize(
    "name",
    [
        "mrg-m\u00fcnchen",
        "mrg-mu\u0308nchen",
        "mrg_\u6771\u4eac",
        "_managed",
        "(prod)-app",
        "-app",
        ".app",
        "a",
        "7",
        "a" * 90,
    ],
)
def test_a_resource_group_has_any_name_that_azure_allows(name: str) -> None:
    """Letters of any script, and each allowed sign in each place, except a dot at the end (Azure/azure-cli#799)."""
    settings = load({}, given(resource_group=name), None)
    assert settings.resource_group_id == f"/subscriptions/{GUID}/resourceGroups/{name}"


@given_any(st.from_regex(r"[a-z][a-z0-9]{1,14}", fullmatch=True))
def test_what_is_made_of_any_prefix_is_a_name_that_azure_takes(prefix: str) -> None:
    settings = load({"prefix": prefix}, given(), None)
    assert re.fullmatch(r"[a-z0-9]{3,24}", settings.storage_account)
    assert re.fullmatch(r"[A-Za-z0-9]{5,50}", settings.customer_registry_name)
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{4,48}[A-Za-z0-9]", settings.automation_account)
    vault = settings.key_vault_endpoint.removeprefix("https://").removesuffix(".vault.azure.net")
    assert re.fullmatch(r"(?!.*--)[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]", vault)


def test_what_is_made_of_a_name_with_capitals_is_taken() -> None:
    capitals = "0A1B2C3D-0000-4000-8000-0123456789AB"
    settings = load({}, given(subscription_id=capitals, customer_registry_name="ContosoACR"), None)
    assert settings.instance_id == capitals.lower()
    assert settings.customer_registry == "contosoacr.azurecr.io"
    assert (settings.subscription_id, settings.customer_registry_name) == (capitals, "ContosoACR")
