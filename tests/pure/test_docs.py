"""The documentation agrees with what it is about: sections that are cited, pages that are linked."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_each_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_the_readme_links_every_page() -> None:
    links = re.findall(r"\]\(docs/([^)]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert {page.name for page in DOCS.glob("*.md")} - set(links) == set()
