"""The reading and evaluation of Bicep: precedence, texts, loops, and values that only Azure knows."""

from datetime import date
from typing import Any

import pytest

from tests.support.template import INFRA
from vibedata.template.azure_types import types_in
from vibedata.template.evaluation import NotEvaluatedError, snapshot
from vibedata.template.finding import Finding
from vibedata.template.reader import read_text
from vibedata.template.resource_types import check_resource
from vibedata.template.syntax import Operation
from vibedata.template.values import Deployed, LinedObject, Place, Runtime


def value(expression: str, before: str = "", **parameters: Any) -> Any:
    document = read_text(f"{before}\noutput found object = {expression}\n", "main.bicep")
    assert not isinstance(document, Finding), str(document)
    return snapshot({document.file: document}, document.file, parameters, Place()).outputs["found"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("-1 + 2", 1),
        ("!true || true && false", False),
        ("!(true || true) == false", True),
        ("1 < 2 == true", True),
        ("true ? 'a' : { b: 'c' }.b", "a"),
        ("false ? 'a' : { b: 'c' }.b", "c"),
        ("false ? 1 : false ? 2 : 3", 3),
        ("1 == 1\n  ? 'a'\n  : 'b'", "a"),
        ("'a${1 + 1}b${'c${true}'}'", "a2bctrue"),
        ("'it\\'s \\${a} \\u{41}\\n'", "it's ${a} A\n"),
        ("'${{ a: [1, 2] }}'", '{"a":[1,2]}'),
        ("['a', 'b'\n'c']", ["a", "b", "c"]),
        ("[for (item, index) in ['a', 'b']: '${item}${index}']", ["a0", "b1"]),
        ("[for item in [1, 2]: [for other in [10]: item * other]]", [[10], [20]]),
        ("{ a: { 'b-${1}': null }, c: 1 }", {"a": {"b-1": None}, "c": 1}),
        ("split('a/b', '/')[1]", "b"),
        ("substring('abcdef', 1, length('abcdef') - 2)", "bcde"),
        ("uri('https://a/b/c.json', 'd/e')", "https://a/b/d/e"),
        ("uri('https://a/b/', '/d/e?f=g/h')", "https://a/b/d/e?f=g/h"),
        ("uri('https://a', 'd/e')", "https://a/d/e"),
        ("json('0.5') /* half */ // a core", 0.5),
    ],
)
def test_an_expression_has_the_value_that_azure_gives_it(expression: str, expected: object) -> None:
    assert value(expression) == expected


ACCOUNT = """\
resource account 'Microsoft.Storage/storageAccounts@2026-04-01' = {
  name: 'a'
}
resource other 'Microsoft.KeyVault/vaults@2026-02-01' existing = {
  name: 'b'
  scope: resourceGroup('sub', 'group')
}
"""


def test_ids_are_known_and_what_azure_makes_is_not() -> None:
    assert value("account.id", ACCOUNT) == f"{Place().group_id}/providers/Microsoft.Storage/storageAccounts/a"
    assert value("other.id", ACCOUNT) == "/subscriptions/sub/resourceGroups/group/providers/Microsoft.KeyVault/vaults/b"
    made = value("'x-${account.properties.primaryEndpoints.blob}'", ACCOUNT)
    assert isinstance(made, Runtime)
    assert str(value("replace(account.properties.a, 'b', 'c')", ACCOUNT)).startswith("[replace(")


@pytest.mark.parametrize("expression", ["!{}", "-{}", "{} && true", "{} || false", "{} == 1"])
def test_an_operation_with_a_value_that_only_azure_knows_is_not_known_either(expression: str) -> None:
    assert isinstance(value(expression.format("account.properties.on"), ACCOUNT), Runtime)


def test_a_condition_that_only_azure_knows_is_refused() -> None:
    made = "resource more 'Microsoft.KeyVault/vaults@2026-02-01' = if (!account.properties.on) {\n  name: 'c'\n}\n"
    with pytest.raises(NotEvaluatedError, match="only Azure knows whether more is made"):
        value("1", ACCOUNT + made)


def test_the_operator_for_null_binds_least() -> None:
    document = read_text("var a = b ?? c || d\n", "main.bicep")
    assert not isinstance(document, Finding)
    found = document.get("a")
    assert found is not None and isinstance(found.value, Operation) and found.value.operator == "??"


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("missing", "nothing is named missing"),
        ("{ a: 1 }.b", "there is no b here"),
        ("[1][2]", "there is no 2 here"),
        ("account.properties.on ? 1 : 2", "only Azure knows"),
        ("[for a in 'text': a]", "a loop runs over no array"),
        ("sort(['a'])", "function sort is not known"),
    ],
)
def test_what_has_no_value_says_where_and_why(expression: str, why: str) -> None:
    with pytest.raises(NotEvaluatedError, match=rf"^main\.bicep:\d+: .*{why}"):
        value(expression, ACCOUNT)


def test_a_parameter_without_default_must_be_given() -> None:
    assert value("p", "param p string", p="a") == "a"
    with pytest.raises(NotEvaluatedError, match="parameter p is not given"):
        value("p", "param p string")


def test_a_version_is_compared_only_with_a_definition_of_the_same() -> None:
    """A stable version of this year is good, although the definition has another version."""
    types = types_in(INFRA / "types")
    body = LinedObject({"name": "a", "location": "b"}, {}, 1)
    resource = Deployed(
        type="Microsoft.ContainerService/managedClusters",
        api_version="2026-04-01",
        name="a",
        scope=Place().group_id,
        body=body,
        file="a.bicep",
        line=3,
        symbol="a",
    )
    (found,) = check_resource(resource, types, today=date(2026, 11, 29))
    assert (found.line, found.rule) == (3, "api-version")
    assert "its definition is of 2026-05-01" in found.message
