"""The settings that follow from a document, and the variables that the environment may still have."""

from dataclasses import asdict

import pytest

from publisher.instances.precedence import SHARED, environment_of, settings_of, token_environment
from runbook_lib.azure.settings import load
from runbook_lib.errors import RunbookError
from tests.support.instance_documents import SUBSCRIPTION, instance

OTHER = "9e4cfa0e-6b0d-4a4e-8a67-6f9f1b8a7c99"
ROOT = "a" * 64


def refusal(environ: dict[str, str]) -> RunbookError:
    with pytest.raises(RunbookError) as caught:
        settings_of(instance(), environ)
    return caught.value


def test_the_documents_parts_and_the_convention_make_the_settings() -> None:
    settings = settings_of(instance(), {})
    assert (settings.instance_id, settings.subscription_id) == ("k3v9x2p7", SUBSCRIPTION)
    assert (settings.resource_group, settings.storage_account) == ("contoso-managed", "contosostorage")
    assert settings.table_endpoint == "https://contosostorage.table.core.windows.net"
    assert settings.logs_endpoint == "https://logs.example"


def test_the_environment_fills_what_is_no_instances_own() -> None:
    environ = {"VIBEDATA_TRUST_ROOTS": ROOT, "VIBEDATA_PUBLISHER_REGISTRY": "registry.example"}
    settings = settings_of(instance(), environ)
    assert (settings.trust_roots, settings.publisher_registry) == (ROOT, "registry.example")
    said = {**instance().settings, "publisher_registry": "registry.example", "trust_roots": ROOT}
    assert settings_of(instance(settings=said), {}) == settings


@pytest.mark.parametrize("name", [*SHARED, "dcr_id"])
def test_what_the_document_says_is_overridden_by_no_variable(name: str) -> None:
    values = {"publisher_registry": ("a.example", "b.example"), "trust_roots": (ROOT, "b" * 64)}
    values |= {"trusted_identity": ("CN=a", "CN=b"), "dcr_id": ("dcr-" + "0" * 32, "dcr-" + "1" * 32)}
    said, given = values.get(name, ("https://a.example", "https://b.example"))
    document = instance(settings={**instance().settings, name: said})
    with pytest.raises(RunbookError) as caught:
        settings_of(document, {f"VIBEDATA_{name.upper()}": given})
    assert caught.value.code == "VD-INSTANCE-003"
    assert said in caught.value.message and given in caught.value.message
    assert settings_of(document, {f"VIBEDATA_{name.upper()}": said}) == settings_of(document, {})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("VIBEDATA_SUBSCRIPTION_ID", OTHER),
        ("VIBEDATA_RESOURCE_GROUP", "fabrikam-managed"),
        ("VIBEDATA_INSTANCE_ID", "p7w4m1"),
        ("VIBEDATA_PREFIX", "fabrikam"),
        # These are not in the document, but they follow from the instance's prefix.
        ("VIBEDATA_STORAGE_ACCOUNT", "fabrikamstorage"),
        ("VIBEDATA_TABLE_ENDPOINT", "https://fabrikamstorage.table.core.windows.net"),
        ("VIBEDATA_UAMI_CLIENT_ID", OTHER),
    ],
)
def test_another_customers_variable_is_refused_and_both_are_named(variable: str, value: str) -> None:
    error = refusal({variable: value})
    assert (error.code, error.exit_code) == ("VD-INSTANCE-003", 2)
    for told in (variable, value, "Contoso B.V.", "k3v9x2p7"):
        assert told in error.message


def test_all_contradictions_are_told_at_once_and_equal_variables_are_none() -> None:
    equal = {"VIBEDATA_SUBSCRIPTION_ID": SUBSCRIPTION.upper(), "VIBEDATA_LOGS_ENDPOINT": "https://logs.example/"}
    assert settings_of(instance(), equal) == settings_of(instance(), {})
    error = refusal({**equal, "VIBEDATA_PREFIX": "fabrikam", "VIBEDATA_DCR_ID": "dcr-" + "1" * 32})
    assert "VIBEDATA_PREFIX" in error.message and "VIBEDATA_DCR_ID" in error.message
    assert "VIBEDATA_SUBSCRIPTION_ID" not in error.message


def test_a_runbook_reads_exactly_these_settings() -> None:
    settings = settings_of(instance(), {})
    environ = environment_of(settings, {"VIBEDATA_TRUST_ROOTS": ROOT, "PATH": "/bin"})
    assert asdict(load({}, environ, None)) == asdict(settings)
    assert environ["PATH"] == "/bin"


def test_the_registry_token_is_the_documents() -> None:
    document = instance(registry_token="contoso")
    variable = "VIBEDATA_PUBLISHER_TOKEN_NAME"
    assert token_environment(document, {"A": "b"}) == {"A": "b", variable: "contoso"}
    assert token_environment(document, {variable: "Contoso"})[variable] == "contoso"
    with pytest.raises(RunbookError) as caught:
        token_environment(document, {variable: "fabrikam"})
    assert caught.value.code == "VD-INSTANCE-003"
    assert "fabrikam" in caught.value.message and "contoso" in caught.value.message
    with pytest.raises(RunbookError) as caught:
        token_environment(instance(registry_token=""), {variable: "fabrikam"})
    assert caught.value.code == "VD-INSTANCE-009"
