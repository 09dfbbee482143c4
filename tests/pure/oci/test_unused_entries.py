"""A built runbook holds the errors and permissions that one of its modules names, at their lines, and no others."""

import pytest

from oci.bundling.unused_entries import without_unused_entries

AREA = """\
from runbook_lib.errors.entry import entry

LOST = entry(
    "VD-X-001",
    "it is lost",
)
LATE = entry("VD-X-002", "it is late")
LIMIT = 5
"""
FILE = "runbook_lib/errors/x.py"


@pytest.mark.parametrize(
    "user",
    [
        "from runbook_lib.errors import x\nraise x.LOST.error()\n",
        "from runbook_lib.errors.x import LOST\n",
        "from runbook_lib.errors.x import LOST as GONE\n",
        "from runbook_lib.errors import x\n\ndef f(error):\n    match error.entry:\n        case x.LOST: return 1\n",
    ],
)
def test_an_error_stays_where_a_module_names_it(user: str) -> None:
    texts = without_unused_entries({"runbooks/a.py": user, FILE: AREA})
    assert texts["runbooks/a.py"] == user
    assert texts[FILE] == AREA.replace('LATE = entry("VD-X-002", "it is late")', "")


def test_an_error_that_nobody_names_leaves_empty_lines() -> None:
    texts = without_unused_entries({"runbooks/a.py": "LOST = 1\n", FILE: AREA})
    assert texts[FILE].split("\n") == ["from runbook_lib.errors.entry import entry", *[""] * 6, "LIMIT = 5", ""]


def test_an_error_that_another_area_takes_up_stays() -> None:
    other = "from runbook_lib.errors import x\nALSO = (x.LATE, x.LOST)\n"
    assert without_unused_entries({"runbook_lib/errors/y.py": other, FILE: AREA})[FILE] == AREA


def test_other_modules_of_the_library_stay_as_they_are() -> None:
    text = "LOST = entry()\n"
    assert without_unused_entries({"runbook_lib/run/x.py": text}) == {"runbook_lib/run/x.py": text}


def test_a_permission_that_no_module_names_is_left_out() -> None:
    text = 'MAY = Permission(on="Key Vault")\nMAY_NOT = Permission(\n    on="Key Vault",\n)\n'
    file = "runbook_lib/permissions/x.py"
    texts = without_unused_entries({"runbooks/a.py": "from runbook_lib.permissions.x import MAY\n", file: text})
    assert texts[file] == 'MAY = Permission(on="Key Vault")\n\n\n\n'
