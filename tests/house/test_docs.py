"""The documentation agrees with the project: cited sections, modules, pages, targets of the Makefile."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.authorization.roles import ROLES
from scripts.pages import house
from tests.support.floors import FLOORS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
FOLDERS = ("runbook_lib", "runbooks", "oci", "publisher", "vibedata", "scripts", "lab", "bench", "tests")
# A heading of a page, as comments and pages cite it: `docs/azure-facts.md#arm-throttling`, or ` and #import` after one.
CITATION = re.compile(r"docs/([\w-]+\.md)((?:#[\w-]+)(?: and #[\w-]+)*)")
BY_NUMBER = re.compile(r"#.*\bsections? \d|\bsections? \d+ of design|design section|azure-facts, section")


# The name of a built-in role: words that begin with a service, and end with what its holder is.
ROLE = re.compile(
    r"\b(?:Automation|Container Registry|Key Vault|Log Analytics|Managed Identity|Monitoring|Network|Storage)"
    r"(?: (?:and )?[A-Z]\w+)*? (?:Administrator|Contributor|Officer|Operator|Owner|Publisher|Reader|User)\b"
)
# Real roles that the lab does not know, because nothing in it signs in with them.
OTHER_ROLES = {"Key Vault Administrator", "Automation Job Operator", "Storage Blob Data Owner"}


def test_each_role_that_a_page_names_is_one_of_azures() -> None:
    known = {role.name for role in ROLES.values()} | OTHER_ROLES
    named = {(page.name, role) for page in PAGES for role in ROLE.findall(" ".join(page.read_text("utf-8").split()))}
    assert len({role for _, role in named}) > 10
    assert {(page, role) for page, role in named if role not in known} == set()


# The name of a file of the project in comments and pages. The examples add their own files, and Azure/acr has a folder
# docs, too.
NAMED_FILE = re.compile(rf"(?<![\w/.-])(?:{'|'.join((*FOLDERS, 'docs'))})/[\w/-]+\.(?:py|md|txt|toml|sh)\b")
OF_OTHERS = re.compile(r"leave_note|app_configuration|docs/AAD-OAuth\.md")


def texts() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each file of the project that may cite a page."""
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*.py")):
            yield str(file.relative_to(ROOT)), file.read_text(encoding="utf-8")


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_each_heading_that_is_cited_is_there() -> None:
    cited = {
        (file, found[1], anchor)
        for file, text in texts()
        for found in CITATION.finditer(text)
        for anchor in re.findall(r"#([\w-]+)", found[2])
    }
    assert len(cited) > 50
    assert [(file, page, anchor) for file, page, anchor in sorted(cited) if anchor not in anchors(page)] == []


def test_each_file_that_a_page_or_comment_names_is_there() -> None:
    pages = [(str(page.relative_to(ROOT)), page.read_text(encoding="utf-8")) for page in PAGES]
    product = [(file, text) for file, text in texts() if not file.startswith("tests/")]
    named = {(where, name) for where, text in (*pages, *product) for name in NAMED_FILE.findall(text)}
    assert len(named) > 100
    gone = [(where, name) for where, name in sorted(named) if not (ROOT / name).is_file()]
    assert [found for found in gone if not OF_OTHERS.search(found[1])] == []


def test_no_comment_cites_a_section_by_its_number() -> None:
    found = [
        (file, line)
        for file, text in texts()
        if "tests/house" not in file
        for line in text.splitlines()
        if BY_NUMBER.search(line)
    ]
    assert found == []


def test_no_page_speaks_of_a_bare_registry() -> None:
    """A container registry and a component registry are two things.

    The pages about contracts and facts keep the words of their sources.
    """
    found = []
    for page in PAGES:
        if page.name in ("design.md", "azure-facts.md", "THIRD-PARTY-NOTICES.md"):
            continue
        text = " ".join(re.sub(r"`[^`]*`", "", page.read_text(encoding="utf-8")).split())
        bare = re.finditer(r"(?:([\w-]+) )?(?<![\w./-])registr(?:y|ies)\b", text, re.IGNORECASE)
        found += [(page.name, text[each.start() : each.end() + 30]) for each in bare if not named(each[1] or "")]
    assert found == []


def named(word: str) -> bool:
    """Tell whether the word before `registry` says which registry is meant."""
    return word.lower() in ("container", "component", "docker", "app", "package")


def test_the_glossary_is_in_order_and_its_words_are_used() -> None:
    words = re.findall(r"^\| ([a-z ]+) \|", (DOCS / "glossary.md").read_text(encoding="utf-8"), re.MULTILINE)[1:]
    assert len(words) >= 25
    assert words == sorted(words)
    pages = " ".join(" ".join(page.read_text(encoding="utf-8") for page in PAGES if page.stem != "glossary").split())
    assert [word for word in words if not re.search(rf"\b{word}s?\b", pages)] == []


def test_the_page_lists_the_floors_as_they_are() -> None:
    text = house.PAGE.read_text(encoding="utf-8").partition("From the ground up:")[2].partition("<!--")[0]
    told = tuple(set(re.findall(r"`(\w+)`", line)) for line in re.findall(r"^\d+\. (.+)$", text, re.MULTILINE))
    assert told == FLOORS


def test_the_map_of_the_house_has_the_docstrings_of_the_folders() -> None:
    text = house.PAGE.read_text(encoding="utf-8")
    assert house.page(text) == text, "run: python -m scripts.pages.house"


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_each_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_the_readme_links_every_page() -> None:
    links = re.findall(r"\]\(docs/([^)]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert {page.name for page in DOCS.glob("*.md")} - set(links) == set()


def test_every_target_of_the_makefile_is_documented() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    told = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "README.md", DOCS / "architecture.md"))
    assert {"demo", "test"} <= set(targets)
    assert [target for target in targets if not re.search(rf"\bmake {target}\b", told)] == []
