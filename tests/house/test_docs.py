"""The documentation agrees with what it is about: sections that are cited, modules, pages, targets of the Makefile."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.pages import house

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
FOLDERS = ("runbook_lib", "runbooks", "oci", "publisher", "vibedata", "scripts", "lab", "bench", "tests")
# A heading of a page, as comments and pages cite it: `docs/azure-facts.md#arm-throttling`, or ` and #import` after one.
CITATION = re.compile(r"docs/([\w-]+\.md)((?:#[\w-]+)(?: and #[\w-]+)*)")
BY_NUMBER = re.compile(r"#.*\bsections? \d|\bsections? \d+ of design|design section|azure-facts, section")


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


def test_no_comment_cites_a_section_by_its_number() -> None:
    found = [
        (file, line)
        for file, text in texts()
        if "tests/house" not in file
        for line in text.splitlines()
        if BY_NUMBER.search(line)
    ]
    assert found == []


def test_the_map_of_the_house_is_what_the_folders_say() -> None:
    text = house.PAGE.read_text(encoding="utf-8")
    assert house.page(text) == text, "run: python -m scripts.pages.house"


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_each_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_the_readme_links_every_page() -> None:
    links = re.findall(r"\]\(docs/([^)]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert {page.name for page in DOCS.glob("*.md")} - set(links) == set()


def test_every_target_of_the_makefile_is_told_of() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    told = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "README.md", DOCS / "architecture.md"))
    assert [target for target in targets if not re.search(rf"\bmake {target}\b", told)] == []
