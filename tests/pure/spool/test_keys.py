"""The key that authenticates the blobs of a spool."""

from collections.abc import Callable
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from runbook_lib.basics.redaction import Redactor
from runbook_lib.spool.keys import FAILED_SECONDS, SpoolKey, SpoolKeys
from runbook_lib.vault.publisher_token import PublisherToken
from tests.support.fake_clock import FakeClock

VERSION = "0123456789abcdef" * 2
PASSWORD = "a-password-of-the-publishers-registry"


def keys(secrets: Callable[[], Any], clock: FakeClock | None = None) -> SpoolKeys:
    return SpoolKeys(secrets=secrets, redactor=Redactor(), clock=clock or FakeClock())


def test_the_key_is_rfc_5869s() -> None:
    derived = HKDF(algorithm=SHA256(), length=32, salt=b"vibedata spool 1", info=b"operations-spool").derive(
        PASSWORD.encode()
    )
    expected = HMAC(derived, SHA256())
    expected.update(b"blob\nname")
    assert SpoolKey(VERSION, PASSWORD).mac("operations-spool", "blob\nname") == expected.finalize().hex()


@pytest.mark.parametrize(
    ("password", "container", "what"),
    [
        (PASSWORD + "x", "a", "blob\nb"),
        (PASSWORD, "b", "blob\nb"),
        (PASSWORD, "a", "blob\nc"),
        (PASSWORD, "a", "told\nb"),
    ],
)
def test_a_proof_is_of_one_key_one_container_and_one_thing(password: str, container: str, what: str) -> None:
    mac = SpoolKey(VERSION, PASSWORD).mac("a", "blob\nb")
    assert SpoolKey(VERSION, PASSWORD).proves(mac, "a", "blob\nb")
    assert not SpoolKey(VERSION, password).proves(mac, container, what)


@pytest.mark.parametrize("mac", ["", "0" * 64, "\N{LATIN SMALL LETTER E WITH ACUTE}" * 64, "\ud800"])
def test_what_is_no_proof_proves_nothing(mac: str) -> None:
    assert not SpoolKey(VERSION, PASSWORD).proves(mac, "a", "blob\nb")


def test_a_token_that_the_run_has_read_needs_no_vault() -> None:
    def down() -> Any:
        raise AssertionError("the vault is asked")

    one = keys(down)
    one.remember(PublisherToken("u", PASSWORD, VERSION))
    assert one.newest().version == VERSION
    assert one.of_version(VERSION) is one.newest()


def test_a_vault_that_has_failed_is_left_alone_for_a_while() -> None:
    asked = []

    def down() -> Any:
        asked.append(1)
        raise ServiceRequestError("down")

    clock = FakeClock()
    one = keys(down, clock)
    for _ in range(3):
        with pytest.raises(ServiceRequestError):
            one.newest()
    assert len(asked) == 1
    clock.sleep(FAILED_SECONDS)
    with pytest.raises(ServiceRequestError):
        one.newest()
    assert len(asked) == 2
