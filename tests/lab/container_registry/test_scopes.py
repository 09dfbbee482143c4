"""Scopes of the registry token protocol: what is parsed, granted and covered."""

import pytest

from lab.container_registry.scopes import (
    CATALOG_SCOPE,
    EVERYTHING,
    READ_PERMISSIONS,
    Rights,
    ScopeRefused,
    covers,
    granted,
    parse,
    repository_scope,
)

READER = Rights(repositories={"vibedata/*": READ_PERMISSIONS, "exact": frozenset({"content/read"})})


def test_several_scopes_in_one_parameter_and_in_several() -> None:
    both = [repository_scope("a/b", "pull", "push"), CATALOG_SCOPE]
    assert parse(["repository:a/b:pull,push registry:catalog:*"]) == both
    assert parse(["repository:a/b:push,pull", "registry:catalog:*"]) == both
    assert str(both[0]) == "repository:a/b:pull,push"


@pytest.mark.parametrize(
    "text", ["repository:a", "repository::pull", "thing:a:pull", "repository:a:own", "repository:a:"]
)
def test_what_is_no_scope_is_refused(text: str) -> None:
    with pytest.raises(ScopeRefused, match="not understood"):
        parse([text])


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("repository:vibedata/x:pull", ["repository:vibedata/x:pull"]),
        ("repository:vibedata/x:pull,push", ["repository:vibedata/x:pull"]),
        ("repository:vibedata/x:*", ["repository:vibedata/x:pull,metadata_read"]),
        ("repository:vibedata/x:push,delete", []),
        ("repository:vibedata:pull", []),
        ("repository:other/vibedata/x:pull", []),
        ("repository:exact:pull,metadata_read", ["repository:exact:pull"]),
        ("repository:exactly:pull", []),
        ("registry:catalog:*", []),
    ],
)
def test_a_scope_map_grants_its_part_of_what_is_asked(asked: str, expected: list[str]) -> None:
    assert [str(scope) for scope in granted(READER, parse([asked]))] == expected


def test_rights_on_the_whole_registry_bring_the_catalog_and_tags() -> None:
    scopes = granted(EVERYTHING, parse(["repository:any:pull registry:catalog:*"]))
    assert [str(scope) for scope in scopes] == ["repository:any:pull,metadata_read", "registry:catalog:*"]


def test_scopes_cover_what_is_needed_together_and_by_repository() -> None:
    held = [repository_scope("a", "pull"), repository_scope("a", "push"), repository_scope("b", "pull")]
    assert covers(held, repository_scope("a", "pull", "push"))
    assert not covers(held, repository_scope("b", "pull", "push"))
    assert not covers([], CATALOG_SCOPE)
