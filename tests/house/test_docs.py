"""The documentation agrees with what it is about: sections that are cited, modules, pages, targets of the Makefile."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.pages import house

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
FOLDERS = ("runbook_lib", "runbooks", "oci", "publisher", "scripts", "lab", "bench", "tests", "docs")
# How comments cite a page: by name, and by the numbers of its sections.
CITED = {"azure-facts": "azure-facts", "design": "[Dd]esign"}


def citations(page: str) -> Iterator[tuple[str, str]]:
    """Yield each file and the number of a section of the page that it cites."""
    cited = re.compile(rf"\b{CITED[page]},? sections? (\d+(?:(?:, | and )\d+)*)")
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*")):
            if file.suffix in (".py", ".md"):
                # A citation may go on in the next line, also of a comment.
                text = re.sub(r"\s*\n\s*(?:# ?)?", " ", file.read_text(encoding="utf-8"))
                for found in cited.finditer(text):
                    yield from ((str(file.relative_to(ROOT)), number) for number in re.findall(r"\d+", found[1]))


@pytest.mark.parametrize("page", CITED)
def test_each_section_that_is_cited_is_there(page: str) -> None:
    sections = set(re.findall(r"^## (\d+)\. ", (DOCS / f"{page}.md").read_text(encoding="utf-8"), re.MULTILINE))
    found = list(citations(page))
    assert len(found) > 20
    assert [(file, number) for file, number in found if number not in sections] == []


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
    assert [target for target in targets if not re.search(rf"\bmake {target}\b", told)] == ["set-up"]
