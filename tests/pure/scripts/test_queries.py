"""The administrator's queries name only columns and values of the log. The page and the workbook are made from them."""

import inspect
import json
import re

import pytest

from runbook_lib.callbacks import outcome
from runbook_lib.operations_log import entries
from runbook_lib.operations_log.events import COLUMNS, TABLE
from runbooks import check_health
from scripts.pages import queries

# The parts of KQL that the queries use (learn.microsoft.com, Kusto Query Language).
WORDS = {"where", "summarize", "by", "project", "sort", "asc", "desc", "and", "ago", "take_any", "Details"}
# The modules that write the details of the events that the queries look at.
WRITERS = (outcome, entries, check_health)
DETAILS = {name for each in WRITERS for name in re.findall(r'"([A-Z][A-Za-z]+)":', inspect.getsource(each))}


def names(text: str) -> set[str]:
    """Return the identifiers of a query, without comments, texts and durations."""
    bare = re.sub(r'//[^\n]*|"[^"]*"|\b\d+[dhm]\b', " ", text)
    return set(re.findall(r"[A-Za-z_]\w*", re.sub(r"Details\.\w+", " ", bare)))


def test_every_query_is_in_the_page() -> None:
    assert {file.stem for file in queries.FOLDER.glob("*.kql")} == set(queries.QUERIES)


@pytest.mark.parametrize("name", queries.QUERIES)
def test_a_query_names_only_columns_of_the_table(name: str) -> None:
    text = queries.query(name)
    assert text.startswith("// ") and f"\n{TABLE}\n" in text
    assert names(text) - WORDS - {TABLE} <= set(COLUMNS)
    assert names(text) - WORDS - {TABLE}, "it names some"
    assert set(re.findall(r"Details\.(\w+)", text)) <= DETAILS


def test_a_wrong_name_would_be_found() -> None:
    assert "Outcom" in names('T | where Outcom == "failed" // Other') - WORDS - set(COLUMNS)


def test_the_page_and_the_workbook_are_made_of_the_queries() -> None:
    assert queries.PAGE.read_text(encoding="utf-8") == queries.page(), "python -m scripts.pages.queries"
    assert queries.WORKBOOK.read_text(encoding="utf-8") == queries.workbook(), "python -m scripts.pages.queries"
    items = json.loads(queries.workbook())["items"]
    assert [item["content"]["query"] for item in items[1:]] == [queries.query(name) for name in queries.QUERIES]
