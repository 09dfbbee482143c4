"""How a command shows foreign texts: without control characters, and never in the form of our own lines."""

import json
import sys
import unicodedata

import pytest

from runbook_lib.basics.visible_text import is_visible, one_line, visible
from runbook_lib.errors import RunbookError
from vibedata import cli
from vibedata.commands import verify as command_verify
from vibedata.error_catalogue import CATALOGUE
from vibedata.output import CommandError, show, show_failure, table
from vibedata.terminal import LINE_CHARACTERS, filtered_output, told

# Reset, title, clear, clipboard, hidden text; C1's CSI; right-to-left; invisible letters and marks; tags; line ends.
HOSTILE = "a\x1bc\x1b]0;t\x07\x1b[2J\x1b[8m\x9b31m\u202eb\u2066\u200b\u00ad\u3164\u115f\ufe0f\U000e0041\ufeff\u2800c"
OBEYED = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def obeyed(text: str) -> list[str]:
    return [each for each in text if each != "\n" and unicodedata.category(each) in OBEYED]


def test_every_control_and_format_character_is_shown_as_an_escape() -> None:
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code)) in OBEYED:
            assert not is_visible(chr(code)), hex(code)
    for blank in "\u034f\u115f\u1160\u17b4\u180b\u2800\u3164\ufe00\ufe0f\uffa0\U000e0100":
        assert not is_visible(blank), hex(ord(blank))
    assert visible("na\u00efve \u65e5\u672c \u2713 \U0001f680") == "na\u00efve \u65e5\u672c \u2713 \U0001f680"
    assert visible("\x1b\u202e\U000e0041") == "\\x1b\\u202e\\U000e0041"


def test_one_line_is_one_line_and_bounded() -> None:
    assert one_line("a\r\nERROR: b\u2028c", 100) == "a ERROR: b c"
    assert one_line("x" * 200, 100) == "x" * 100 + " ... (cut)"


@pytest.mark.parametrize("output", ["text", "json"])
def test_whatever_is_printed_passes_the_filter(output: str, capsys: pytest.CaptureFixture[str]) -> None:
    with filtered_output():
        show(output, result={"words": HOSTILE + "\x7f"}, text=HOSTILE + "\x7f")
        show_failure(output, error={"message": HOSTILE}, text=HOSTILE)
        sys.stderr.writelines([HOSTILE, "\n"])
    shown = capsys.readouterr()
    assert obeyed(shown.out) == obeyed(shown.err) == []
    if output == "json":
        first, second = shown.out.splitlines()
        assert json.loads(first) == {"words": HOSTILE + "\x7f"}, "a program reads what was said"
        assert json.loads(second)["error"] == {"message": HOSTILE}


@pytest.mark.parametrize(
    "failure",
    [
        RunbookError(CATALOGUE["VD-NET-002"], HOSTILE + "\nERROR: forged\r\n{", target=HOSTILE),
        CommandError(HOSTILE, remedy=HOSTILE),
        KeyError(HOSTILE),
        RuntimeError(HOSTILE + "\nforged"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_a_command_that_fails_shows_no_word_unfiltered(
    failure: Exception, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_arguments: object) -> int:
        raise failure

    monkeypatch.setattr(command_verify, "run", fail)
    monkeypatch.delenv("VIBEDATA_ARM_ENDPOINT", raising=False)
    assert cli.main(["verify", "latest"]) == 1
    shown = capsys.readouterr()
    assert shown.out == "" and "\\x1bc" in shown.err.replace("\\\\", "\\")
    assert obeyed(shown.err) == []
    if isinstance(failure, RunbookError):
        assert len(shown.err.splitlines()) == 4


def test_a_cell_of_a_table_is_bounded_and_filtered() -> None:
    shown = table("t", ("a",), [(HOSTILE,), ("y" * 100_000,)])
    assert obeyed(shown) == []
    assert len(shown) < LINE_CHARACTERS * 4
    assert "forged" not in [line.strip("\u2502 ") for line in table("t", ("a",), [("x\nforged",)]).splitlines()]
    assert told("a\nb") == "a b"


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_word_of_a_table_is_never_cut(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    digests = [f"sha256:{number:064d}" for number in range(2)]
    rows = [(f"vibedata/runbooks/import_images:2026.12.{number}", digest, "") for number, digest in enumerate(digests)]
    shown = table("artifacts", ("artifact", "digest", "note"), rows)
    assert all(word in shown.split() for row in rows for word in row if word)
    assert ("note" in shown) == ("\u2502" in shown) == (columns == 200), "a record leaves out what is empty"
