"""The parameters that a built runbook takes, from its text. The text is neither trusted nor executed."""

import importlib
import time

import pytest

from oci.bundling.bundle import literal
from runbook_lib.errors import RunbookError
from runbook_lib.run.parameters import kinds_of
from vibedata.jobs.declared import Declared, declared_by, declared_in
from vibedata.jobs.start import _own_source
from vibedata.runbook_names import runbook_names

BASE = "class Base:\n    plan_only: bool = field(default=False)\n"
OWN = """\
from lib.base import Base
class Parameters(Base):
    name: str
    count: int = field(metadata={})
    colour: Literal["red", "blue"] = "red"
    more: Mapping[str, str] = field(default_factory=dict)
RUNBOOK = Runbook(name="one", parameters=Parameters)
"""


def built(**files: str) -> str:
    lines = [f"SOURCES[{name.replace('__', '/') + '.py'!r}] = {literal(text)}[1:]\n" for name, text in files.items()]
    return "SOURCES: dict[str, str] = {}\n" + "".join(lines)


def declared(text: str) -> Declared:
    found = declared_in(text, "one")
    assert found is not None
    return found


@pytest.mark.parametrize("name", runbook_names())
def test_the_projects_own_runbooks_declare_what_they_take(name: str) -> None:
    found = declared_by(_own_source, name)
    assert found is not None
    assert found.kinds == kinds_of(importlib.import_module(f"runbooks.{name}").RUNBOOK.parameters)


def test_declarations_are_read_up_to_the_first_class() -> None:
    found = declared(built(runbooks__one=OWN, lib__base=BASE))
    assert found.required == {"name", "count"}
    assert {name: kind for name, kind in found.kinds.items() if name != "more"} == {
        "plan_only": bool,
        "name": str,
        "count": int,
        "colour": object,
    }
    found.check({"name": "x", "count": 3, "colour": ["any"], "more": {"a": "b"}}, "one")
    assert found.known({"name": "x", "started_by": "ada"}) == {"name": "x"}
    for given, code, words in (
        ({"nam": "x"}, "VD-PARAM-001", "did you mean 'name'?"),
        ({"name": 3, "count": 3}, "VD-PARAM-002", "takes a text"),
        ({"name": "x"}, "VD-PARAM-002", "(count): one requires it"),
    ):
        with pytest.raises(RunbookError, match=r".*") as caught:
            found.check(given, "one")
        assert caught.value.code == code and words in caught.value.message


def test_comments_and_docstrings_make_no_other_form() -> None:
    documented = OWN.replace("    name: str\n", '    """Parameters."""\n\n    name: str  # whose\n')
    one, two = (declared(built(runbooks__one=text, lib__base=BASE)) for text in (OWN, documented))
    assert one.form == two.form
    assert one.form != declared(built(runbooks__one=OWN.replace("red", "black"), lib__base=BASE)).form


@pytest.mark.parametrize(
    "text",
    [
        "",
        "print('{}')\n",
        "\0",
        "-" * 200_000 + "1",
        "(" * 100_000,
        "x = " + "[" * 5_000,
        built(runbooks__one="(" * 100_000),
        built(runbooks__one=OWN),
        built(runbooks__one=OWN.replace('= "red"', f"= {'-' * 500}1"), lib__base=BASE),
        built(runbooks__one=OWN.replace("count: int", f"count: a{'.b' * 900}"), lib__base=BASE),
        built(runbooks__one=OWN, lib__base="from lib.base import Base\n"),
        built(runbooks__one="class Parameters(Parameters):\n    x: str\nRUNBOOK = Runbook(parameters=Parameters)\n"),
        built(runbooks__one="RUNBOOK = Runbook(parameters=make())\n"),
        "import os\nos._exit(3)\n" + built(runbooks__two=OWN),
    ],
)
def test_a_text_that_is_no_built_runbook_declares_nothing(text: str) -> None:
    began = time.monotonic()
    assert declared_in(text, "one") is None
    assert time.monotonic() - began < 30
