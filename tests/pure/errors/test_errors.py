import ast
import json
import re
from pathlib import Path

import pytest

from runbook_lib.errors import ErrorEntry, RunbookError
from scripts.pages import errors as errors_page
from scripts.pages.error_guide import guides
from vibedata.error_catalogue import AREAS, CATALOGUE

ROOT = Path(__file__).parents[3]
CODE = re.compile(r"VD-[A-Z]+-\d{3}")
every_entry = pytest.mark.parametrize("entry", CATALOGUE.values(), ids=CATALOGUE)


def sources() -> list[Path]:
    folders = ("runbook_lib", "runbooks", "oci", "publisher", "vibedata", "scripts")
    return [file for folder in folders for file in (ROOT / folder).rglob("*.py")]


@every_entry
def test_an_entry_says_what_why_and_what_to_do(entry: ErrorEntry) -> None:
    assert CODE.fullmatch(entry.code)
    assert entry.code.split("-")[1] in errors_page.AREAS
    assert entry.exit_code == 3 if entry.code == "VD-LOCK-001" else entry.exit_code in (1, 2)
    # A title is a part of a sentence. Cause and remedy are complete sentences.
    assert entry.title[0].islower() or entry.title.startswith(("Azure", "Automation"))
    assert not entry.title.endswith(".")
    for sentence in (entry.cause, entry.remedy):
        assert sentence[0].isupper() or sentence.startswith(("pip", "packages.lock"))
        assert sentence.endswith(".")
    assert all("\n" not in text and "|" not in text for text in (entry.title, entry.cause, entry.remedy))


def test_no_two_codes_have_the_same_title() -> None:
    titles = [entry.title for entry in CATALOGUE.values()]
    assert len(set(titles)) == len(titles)


@every_entry
def test_an_error_tells_its_whole_story(entry: ErrorEntry) -> None:
    error = entry.error("what was seen", target="where")
    first, *others = str(error).splitlines()
    assert first == f"{entry.code}: {entry.title} (where): what was seen"
    assert [line.split(":")[0] for line in others] == ["  cause", "  what to do", "  rerun"]
    assert entry.cause in others[0] and entry.remedy in others[1]
    assert json.loads(json.dumps(error.as_json())) == {
        "code": entry.code,
        "message": f"{entry.title} (where): what was seen",
        "cause": entry.cause,
        "remedy": entry.remedy,
        "retryable": entry.retryable,
    }


def test_detail_and_target_may_be_missing() -> None:
    assert RunbookError(CATALOGUE["VD-PARAM-001"]).message == "unknown parameter"
    assert RunbookError(CATALOGUE["VD-PARAM-001"], target="x").message == "unknown parameter (x)"
    assert RunbookError(CATALOGUE["VD-PARAM-001"], "y").message == "unknown parameter: y"


def test_every_entry_is_used_by_its_name() -> None:
    names = {id(value): (area.__name__, name) for area in AREAS for name, value in vars(area).items()}
    entries = {names[id(entry)] for entry in CATALOGUE.values()}
    used = set()
    for file in sources():
        tree = ast.parse(file.read_text(encoding="utf-8"))
        areas = {
            alias.asname or alias.name: f"{node.module}.{alias.name}"
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "runbook_lib.errors"
            for alias in node.names
        }
        used |= {
            (areas[node.value.id], node.attr)
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in areas
        }
    assert entries - used == set()


def test_the_documentation_names_known_codes() -> None:
    pages = [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")]
    named = {(page.name, code) for page in pages for code in CODE.findall(page.read_text(encoding="utf-8"))}
    # The worked example adds its own code, which is free.
    assert {(page, code) for page, code in named if code not in CATALOGUE} == {("CONTRIBUTING.md", "VD-PARAM-090")}


def test_the_page_is_up_to_date() -> None:
    expected = errors_page.page(CATALOGUE.values())
    assert errors_page.PAGE.read_text(encoding="utf-8") == expected, "run: python -m scripts.pages.errors"


def test_the_page_has_a_section_for_every_code() -> None:
    text = errors_page.page(CATALOGUE.values())
    assert re.findall(r"^### (.*)$", text, re.MULTILINE) == re.findall(r"^\| \[(.*?)\]", text, re.MULTILINE)
    assert set(re.findall(r"^### (.*)$", text, re.MULTILINE)) == set(CATALOGUE)


def test_every_code_has_a_guide_and_no_other_has() -> None:
    told = guides()
    assert set(told) == set(CATALOGUE)
    for code, guide in told.items():
        # An example continues after the title: with a target in brackets, with a detail, or not at all.
        assert re.match(r"( \(.+\)(:.*)?|: .+)?$", guide.example), code
        assert guide.check[-1] == "." and len(guide.check.split()) >= 6, code
    assert len({guide.check for guide in told.values()}) > len(told) * 0.95, "most have their own way to check"


def test_the_page_tells_of_each_code_what_its_message_does_not() -> None:
    text = errors_page.page(CATALOGUE.values())
    for section in text.split("\n### ")[1:]:
        code = section.partition("\n")[0]
        parts = re.findall(r"^- ([A-Z][a-z ]+):", section, re.MULTILINE)
        wanted = ["Example", "How to check", "What to do", "Whose task"]
        wanted += ["Command"] if guides()[code].command else []
        assert parts == [*wanted, "Run it again as it is", "Exit code"], code
