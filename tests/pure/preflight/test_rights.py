"""The rights of a runbook that follow from roles and deny assignments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.authorization import state
from runbook_lib.errors import RunbookError
from runbook_lib.permissions.model import Permission
from runbook_lib.preflight.permission_checks import Rights, judge
from runbook_lib.preflight.rights import EVERYBODY, Denial, Grant, denial_of, grant_of, lacking, matches

OURS, OTHER, GROUP = "aa-1", "bb-2", "cc-3"
NEEDED = Permission(
    on="storage account",
    role="Storage Blob Data Contributor",
    purpose="read and write",
    actions=("Microsoft.Storage/storageAccounts/read",),
    data_actions=("Microsoft.Storage/blobs/read", "Microsoft.Storage/blobs/write"),
)


def grant(*actions: str, data: tuple[str, ...] = (), taken_out: tuple[str, ...] = ()) -> Grant:
    return Grant(actions=actions, not_actions=(), data_actions=data, not_data_actions=taken_out)


def denial(
    *data: str,
    principals: set[str] | None = None,
    excluded: set[str] | None = None,
    only_at: str = "",
    has_condition: bool = False,
) -> Denial:
    return Denial(
        name="managed application",
        denied=(grant(data=data),),
        principals=frozenset(principals or {EVERYBODY}),
        excluded=frozenset(excluded or set()),
        groups=frozenset({GROUP}),
        only_at=only_at,
        has_condition=has_condition,
    )


@given(st.lists(st.sampled_from(["a", "b", "*", "/"]), max_size=8), st.text("ab/", max_size=8))
def test_a_pattern_matches_as_the_lab_s_regular_expression_does(pattern: list[str], name: str) -> None:
    assert matches("".join(pattern), name) == state.matches("".join(pattern), name)


@pytest.mark.parametrize(
    ("grants", "missing"),
    [
        ((), 3),
        ((grant("*"),), 2),
        ((grant("*/READ"),), 2),
        ((grant("*", data=("*",)),), 0),
        ((grant("*", data=("Microsoft.Storage/*",), taken_out=("*/write",)),), 1),
        ((grant("*", data=("Microsoft.Storage/*",), taken_out=("*/write",)), grant(data=("*/write",))), 0),
    ],
)
def test_what_no_role_grants_is_lacking(grants: tuple[Grant, ...], missing: int) -> None:
    assert len(lacking(NEEDED, grants)) == missing


ALL = (grant("*", data=("*",)),)


@pytest.mark.parametrize(
    ("denials", "state", "code"),
    [
        ((), "good", None),
        ((denial("*/write"),), "bad", "VD-PREFLIGHT-002"),
        ((denial("*/write", excluded={OURS}),), "good", None),
        ((denial("*/write", principals={OTHER}),), "good", None),
        ((denial("*/write", principals={GROUP}),), "unknown", None),
        ((denial("*/write", excluded={OTHER}),), "bad", "VD-PREFLIGHT-002"),
        ((denial("*/write", excluded={GROUP}),), "unknown", None),
        ((denial("*/delete"),), "good", None),
        ((denial("*/write", only_at="/above"),), "good", None),
        ((denial("*/write", only_at="/R/"),), "bad", "VD-PREFLIGHT-002"),
        ((denial("*/write", has_condition=True),), "unknown", None),
        ((denial("*/write", has_condition=True, excluded={OURS}),), "good", None),
        ((denial("*/write", has_condition=True), denial("*/read")), "bad", "VD-PREFLIGHT-002"),
        ((denial("*/write", excluded={GROUP}), denial("*/read", principals={OURS})), "bad", "VD-PREFLIGHT-002"),
    ],
)
def test_a_deny_assignment_stands_before_every_role(denials: tuple[Denial, ...], state: str, code: str | None) -> None:
    found = judge("x", NEEDED, Rights(resource_id="/r", grants=ALL, denials=denials), OURS)
    assert (found.state, found.error and found.error.code) == (state, code)


def test_a_role_that_is_missing_comes_with_the_line_that_assigns_it() -> None:
    found = judge("x", NEEDED, Rights(resource_id="/r", grants=(), denials=()), OURS)
    assert found.error is not None
    assert found.error.code == "VD-PREFLIGHT-001"
    line = (
        "az role assignment create --assignee-object-id aa-1 --assignee-principal-type ServicePrincipal"
        ' --role "Storage Blob Data Contributor" --scope /r'
    )
    assert found.error.line == line


def test_a_name_that_somebody_else_gave_does_nothing_in_a_shell() -> None:
    found = judge("x", NEEDED, Rights(resource_id="/r/a;$(b)", grants=(), denials=()), OURS)
    assert found.error is not None
    assert found.error.line.endswith("--scope '/r/a;$(b)'")


@pytest.mark.parametrize("item", [None, [], {"actions": "*"}, {"actions": [1]}, {"dataActions": {}}])
def test_a_permission_of_another_form_is_refused_or_empty(item: object) -> None:
    if isinstance(item, dict):
        with pytest.raises(RunbookError, match="VD-ARM-001"):
            grant_of(item)
    else:
        assert grant_of(item) == grant()


@pytest.mark.parametrize(
    "properties",
    [{}, {"permissions": {}}, {"permissions": [], "principals": [{}]}, {"permissions": [], "excludePrincipals": "x"}],
)
def test_a_deny_assignment_of_another_form_is_refused(properties: object) -> None:
    with pytest.raises(RunbookError, match="VD-ARM-001"):
        denial_of({"properties": properties})


@pytest.mark.parametrize(
    ("properties", "only_at", "has_condition"),
    [
        ({"scope": "/g"}, "", False),
        ({"scope": "/g", "doNotApplyToChildScopes": False, "condition": None}, "", False),
        ({"scope": "/g", "doNotApplyToChildScopes": True, "condition": ""}, "/g", False),
        ({"scope": None, "doNotApplyToChildScopes": True}, "", False),
        ({"scope": "/g", "doNotApplyToChildScopes": "yes", "condition": {"x": 1}}, "", True),
        ({"condition": "@Resource[a] StringEquals 'b'"}, "", True),
    ],
)
def test_where_a_deny_assignment_applies_is_read(
    properties: dict[str, object], only_at: str, has_condition: bool
) -> None:
    read = denial_of({"properties": {"permissions": [], **properties}})
    assert (read.only_at, read.has_condition) == (only_at, has_condition)
