"""Digests: their exact form, and that making and parsing agree."""

import pytest

from runbook_lib.basics.digest import digest_from_hex, digest_of, hex_of, is_digest

# FIPS 180-4: of no bytes.
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_digest_is_made_and_taken_apart() -> None:
    assert digest_of(b"") == f"sha256:{EMPTY}"
    assert hex_of(digest_from_hex(EMPTY)) == EMPTY
    assert is_digest(digest_of(b""))


@pytest.mark.parametrize(
    "text",
    [
        "",
        EMPTY,
        f"sha256:{EMPTY}\n",
        f" sha256:{EMPTY}",
        f"sha256:{EMPTY}0",
        f"sha256:{EMPTY[:-1]}",
        f"sha256:{EMPTY.upper()}",
        f"SHA256:{EMPTY}",
        f"sha512:{EMPTY}",
        f"sha256:{EMPTY[:-1]}g",
        f"sha256:{EMPTY[:-1]}\u0661",
    ],
)
def test_what_is_no_digest(text: str) -> None:
    assert not is_digest(text)
