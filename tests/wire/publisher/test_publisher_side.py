"""The publisher's part of the lab: its storage account, and the identities that may use it and its vault."""

import json
from collections.abc import Iterator

import pytest
from azure.core.exceptions import HttpResponseError
from azure.data.tables import TableClient, TableServiceClient
from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient

from tests.support.automation import automation
from tests.support.running_lab import LabUnderTest

READ_PUBLISHERS = """
import json, os, ssl, sys, urllib.error, urllib.parse, urllib.request

def status(url, headers):
    context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"]) if url.startswith("https") else None
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), context=context) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, {}

def token(resource, client_id):
    query = urllib.parse.urlencode({"resource": resource, "client_id": client_id})
    headers = {"X-IDENTITY-HEADER": os.environ["IDENTITY_HEADER"]}
    return status(os.environ["IDENTITY_ENDPOINT"] + "?" + query, headers)

vault, table, customers_vault, uami, publisher = sys.argv[1:]
found = [token("https://vault.azure.net", publisher)[0]]
for resource, url in (
    ("https://vault.azure.net", customers_vault + "/secrets?api-version=7.6"),
    ("https://vault.azure.net", vault + "/secrets?api-version=7.6"),
    ("https://storage.azure.com", table + "/Tables"),
):
    bearer = "Bearer " + token(resource, uami)[1]["access_token"]
    headers = {"Authorization": bearer, "x-ms-version": "2020-12-06", "Accept": "application/json"}
    found.append(status(url, headers)[0])
print(json.dumps(found))
"""


@pytest.fixture(params=["VIBEDATA_UAMI_CLIENT_ID", "VIBEDATA_PUBLISHER_CLIENT_ID"])
def credential(lab: LabUnderTest, request: pytest.FixtureRequest) -> Iterator[ManagedIdentityCredential]:
    with ManagedIdentityCredential(client_id=lab.env[request.param]) as credential:
        yield credential


def test_publishers_tables_are_its_own(lab: LabUnderTest, credential: ManagedIdentityCredential) -> None:
    publishers, customers = lab.env["VIBEDATA_PUBLISHER_TABLE_ENDPOINT"], lab.env["VIBEDATA_TABLE_ENDPOINT"]
    with TableServiceClient(publishers, credential=credential, retry_total=0) as service:
        with service.create_table("HmacKeys") as table:
            table.create_entity({"PartitionKey": "instance", "RowKey": "key", "state": "pending"})
        assert [one.name for one in service.list_tables()] == ["HmacKeys"]
        with (
            TableClient(customers, "HmacKeys", credential=credential, retry_total=0) as absent,
            pytest.raises(HttpResponseError) as refused,
        ):
            absent.get_entity("instance", "key")
        assert refused.value.status_code in (403, 404)  # the publisher's identity does not even get to look
        lab.reset()
        assert list(service.list_tables()) == []


def test_engineer_uses_the_publishers_vault(lab: LabUnderTest, credential: ManagedIdentityCredential) -> None:
    with SecretClient(lab.env["VIBEDATA_PUBLISHER_KEY_VAULT_ENDPOINT"], credential, retry_total=0) as secrets:
        secrets.set_secret("hmac", "value")
        assert secrets.get_secret("hmac").value == "value"


def test_jobs_use_nothing_of_the_publishers(lab: LabUnderTest) -> None:
    names = (
        "VIBEDATA_PUBLISHER_KEY_VAULT_ENDPOINT",
        "VIBEDATA_PUBLISHER_TABLE_ENDPOINT",
        "VIBEDATA_KEY_VAULT_ENDPOINT",
        "VIBEDATA_UAMI_CLIENT_ID",
        "VIBEDATA_PUBLISHER_CLIENT_ID",
    )
    with automation(lab) as account:
        account.environment()
        job, ended = account.run(READ_PUBLISHERS, {name: lab.env[name] for name in names})
        assert ended.status == "Completed", ended.exception
        assert json.loads(account.output(job)) == [400, 200, 403, 403]


def test_publishers_identity_uses_nothing_of_the_customers(lab: LabUnderTest) -> None:
    with ManagedIdentityCredential(client_id=lab.env["VIBEDATA_PUBLISHER_CLIENT_ID"]) as credential:
        with (
            SecretClient(lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential, retry_total=0) as secrets,
            pytest.raises(HttpResponseError) as refused,
        ):
            secrets.get_secret("publisher-acr-token")
        assert refused.value.status_code == 403
        with (
            TableServiceClient(lab.env["VIBEDATA_TABLE_ENDPOINT"], credential=credential, retry_total=0) as tables,
            pytest.raises(HttpResponseError) as mismatch,
        ):
            list(tables.list_tables())
        assert mismatch.value.status_code == 403
