"""Parse every `vibedata` command line that the documentation and the help show, with all its options."""

import argparse
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib.run.parameters import parse
from vibedata import cli
from vibedata.runbook_names import runbook_names

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RUNBOOKS = {name: importlib.import_module(f"runbooks.{name}").RUNBOOK for name in runbook_names()}
# Indented lines of code in Markdown, and inline code. This does not read fenced blocks.
CODE = re.compile(r"^(?: {4}|\t)(.+)$|`([^`\n]+)`", re.MULTILINE)
COMMAND = re.compile(r"(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?vibedata(?: (.+))?")


def command_lines(text: str) -> Iterator[list[str]]:
    """Yield each `vibedata ...` in a line of code, as the shell splits it, without the command's name."""
    for indented, inline in CODE.findall(text):
        # An explanation may follow an example, after two spaces or a number sign.
        line = re.sub(r"\s{2,}[A-Za-z].*$|#.*$", "", indented or inline)
        for part in re.split(r"[;|&]", line):
            command = COMMAND.fullmatch(part.strip())
            if command:
                yield shlex.split(command[1] or "")


def documented() -> list[tuple[str, list[str]]]:
    found = [(page.name, words) for page in PAGES for words in command_lines(page.read_text(encoding="utf-8"))]
    parser = cli._parser(cli._modules([]))
    for name, shown in [("vibedata", parser), *subcommands(parser)]:
        indented = re.sub(r"(?m)^  (?=\S)", "    ", shown.epilog or "")
        found += [(f"{name} --help", words) for words in command_lines(indented)]
    return found


def subcommands(parser: argparse.ArgumentParser) -> list[tuple[str, argparse.ArgumentParser]]:
    choices = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return [(f"vibedata {name}", command) for found in choices for name, command in found.items()]


DOCUMENTED = documented()


def test_the_documentation_shows_every_command() -> None:
    shown = {words[0] for _, words in DOCUMENTED if words}
    parser = cli._parser(cli._modules([]))
    assert {name.partition(" ")[2] for name, _ in subcommands(parser)} <= shown
    assert any(where == "README.md" for where, _ in DOCUMENTED)
    assert any(where == "operators.md" for where, _ in DOCUMENTED)


@pytest.mark.parametrize(
    ("where", "words"), DOCUMENTED, ids=[f"{where}: {' '.join(words)}" for where, words in DOCUMENTED]
)
def test_a_documented_command_line_parses(
    where: str, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VIBEDATA_PUBLISHER_REGISTRY", "vibedata.azurecr.io")
    # Placeholders in prose: `vibedata invoke RUNBOOK`, `vibedata COMMAND --help`.
    typed = [{"RUNBOOK": "import_manifest", "COMMAND": "invoke", "DIR": "dist"}.get(word, word) for word in words]
    if typed in ([], ["..."]):
        return
    parser = cli._parser(cli._modules(typed))
    if len(typed) == 1 and not typed[0].startswith("-"):
        # Prose may show only a command's name.
        assert f"vibedata {typed[0]}" in [name for name, _ in subcommands(parser)], where
        return
    if "--help" in typed and "--" not in typed:
        with pytest.raises(SystemExit) as ended:
            parser.parse_args(typed)
        assert ended.value.code == 0
        return
    options = parser.parse_args(typed)
    assert capsys.readouterr().err == ""
    if options.command == "run" and options.parameters and options.parameters != ["--help"]:
        parse(RUNBOOKS[options.runbook].parameters, options.parameters)
    if options.command == "invoke":
        assert options.runbook in RUNBOOKS
