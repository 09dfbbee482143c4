"""Invisible characters are found by their Unicode properties."""

import unicodedata

import pytest

from oci.bundling.bundle import normalised
from oci.bundling.unseen import first_unseen, is_unseen
from runbook_lib.errors import RunbookError


@pytest.mark.parametrize(
    "code",
    [
        *(0x00, 0x08, 0x0B, 0x0D, 0x1B, 0x7F, 0x85, 0x9B, 0xA0, 0xAD, 0x34F, 0x600, 0x61C, 0x6DD, 0x115F, 0x1160),
        *(0x1680, 0x17B4, 0x17B5, 0x180B, 0x180E, 0x180F, 0x2000, 0x2007, 0x200B, 0x200D, 0x200E, 0x2028, 0x2029),
        *(0x202A, 0x202E, 0x202F, 0x205F, 0x2060, 0x2064, 0x2065, 0x2066, 0x2069, 0x206A, 0x2800, 0x3000, 0x3164),
        *(0xD800, 0xFE00, 0xFE0F, 0xFEFF, 0xFFA0, 0xFFF0, 0xFFF9, 0xFFFB, 0x110BD, 0x13430, 0x16FE4, 0x1BCA0),
        *(0x1D159, 0x1D173, 0x1D17A, 0xE0001, 0xE0020, 0xE0041, 0xE007F, 0xE0100, 0xE01EF, 0xE0FFF),
    ],
)
def test_what_does_not_show_is_unseen(code: int) -> None:
    assert is_unseen(chr(code))


def test_what_shows_is_seen() -> None:
    text = "aZ09 ~!äßéñ中文한글ひらがなعربيעבריתไทยहिन्दी€→✓😀\u0301"
    assert first_unseen(text) is None


def test_every_character_of_these_categories_is_unseen() -> None:
    """Also those that a later version of Unicode adds to them."""
    named = [code for code in range(0x110000) if unicodedata.category(chr(code)) in ("Cf", "Zl", "Zp", "Cc", "Zs")]
    assert [code for code in named if not is_unseen(chr(code))] == [0x20]


@pytest.mark.parametrize("code", [0xA0, 0xAD, 0x3164, 0x2800, 0x202E, 0xE0041, 0xFE0F, 0x85, 0x0B, 0x3000])
def test_a_source_with_what_does_not_show_is_refused_with_its_line(code: int) -> None:
    with pytest.raises(RunbookError, match=f"line 2 holds U\\+{code:04X}") as caught:
        normalised(f"a = 1\nb = '{chr(code)}'\n".encode(), file="x.py")
    assert caught.value.code == "VD-BUILD-002"


def test_tabs_and_form_feeds_are_taken() -> None:
    assert normalised(b"if a:\r\n\tb = 1\n\x0c\n", file="x.py") == "if a:\n\tb = 1\n\x0c\n"
