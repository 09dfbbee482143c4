"""The pages of the certificate's versions: the vault may write the next page's address in any text of its origin."""

import json
from typing import Any, cast

import pytest
from azure.core.rest import HttpRequest
from azure.keyvault.secrets import SecretClient

from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.errors import RunbookError, tls
from runbook_lib.tls_certificate.name import CERTIFICATE
from runbook_lib.tls_certificate.vault import CertificateVault

VAULT = "https://x.vault.azure.net"
ONE, NEXT = f"/certificates/{CERTIFICATE}", f"/certificates/{CERTIFICATE}/versions?api-version=7.6&$skiptoken=a"


class Answer:
    """A vault's answer."""

    def __init__(self, found: dict[str, Any] | None) -> None:
        self.status_code = 404 if found is None else 200
        self.content = json.dumps(found).encode()

    def raise_for_status(self) -> None:
        assert self.status_code == 200


class TwoPages:
    """A vault with two versions, each on a page of its own."""

    vault_url = VAULT

    def __init__(self, link: str) -> None:
        self.asked: list[str] = []
        self._answers = {
            ONE: version("new"),
            f"{ONE}/versions": {"value": [version("new")], "nextLink": link},
            f"{VAULT}{NEXT}": {"value": [version("old")], "nextLink": None},
        }

    def send_request(self, request: HttpRequest) -> Answer:
        self.asked.append(request.url)
        return Answer(self._answers.get(request.url))


def version(name: str) -> dict[str, Any]:
    attributes = {"enabled": True, "created": 1_764_000_000}
    return {"id": f"{VAULT}{ONE}/{name}", "x5t": name, "cer": "AAAA", "attributes": attributes}


def former(vault: TwoPages) -> list[str]:
    seen = CertificateVault(client=cast(SecretClient, vault), clock=SYSTEM_CLOCK, host="a.example").seen()
    return [each.version for each in seen.former]


@pytest.mark.parametrize("origin", [VAULT, f"{VAULT}:443", "HTTPS://X.Vault.Azure.Net", f"{VAULT}.:443", ""])
def test_a_page_of_the_same_vault_is_read(origin: str) -> None:
    assert former(TwoPages(origin + NEXT)) == ["old"]


@pytest.mark.parametrize(
    "origin",
    [
        "https://y.vault.azure.net",
        f"{VAULT}:444",
        "http://x.vault.azure.net",
        f"{VAULT}@y.example",
        f"{VAULT}.y.example",
        "//y.example",
    ],
)
def test_no_request_goes_to_another_place(origin: str) -> None:
    vault = TwoPages(origin + NEXT)
    with pytest.raises(RunbookError) as caught:
        former(vault)
    assert caught.value.is_(tls.VAULT_ANSWER_UNREADABLE)
    assert vault.asked[-1] == f"{ONE}/versions"
