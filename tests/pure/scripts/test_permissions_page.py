"""docs/permissions.md shows the runbooks' declarations, and each role allows the actions for which it is named."""

import pytest

from lab.authorization.roles import ROLES
from lab.authorization.state import Action, grants
from runbook_lib.permissions.every_runbook import EVERY_RUNBOOK
from runbook_lib.permissions.model import Permission
from scripts.pages import permissions as permissions_page

DECLARED: set[Permission] = {*EVERY_RUNBOOK}.union(*permissions_page.declared().values())


def test_the_page_is_what_the_runbooks_declare() -> None:
    assert permissions_page.PAGE.read_text("utf-8") == permissions_page.page(), (
        "run: python -m scripts.pages.permissions"
    )


def purpose(permission: Permission) -> str:
    return permission.purpose


BY_PURPOSE: list[Permission] = sorted(DECLARED, key=purpose)


@pytest.mark.parametrize("permission", BY_PURPOSE, ids=purpose)
def test_a_role_gives_each_action_that_it_is_declared_for(permission: Permission) -> None:
    role = next(one for one in ROLES.values() if one.name == permission.role)
    asked = [(name, False) for name in permission.actions] + [(name, True) for name in permission.data_actions]
    assert asked
    for name, is_data in asked:
        assert grants(role, Action(name=name, scope="/", is_data=is_data)), name
