"""The rules of the house that no linter knows: rooms, floors, no circles, private modules, sizes."""

import ast
import graphlib
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from oci.bundling.closure import closure
from oci.bundling.source_tree import read_sources, runbook_names
from tests.support.floors import FLOORS

ROOT = Path(__file__).parents[2]
PRODUCT = ("runbooks", "runbook_lib", "oci", "publisher", "vibedata", "scripts", "lab", "bench")
MAX_MODULES = 15
MAX_LINES = 300
MAX_TEST_LINES = 400
# This folder grows with the number of commands.
CROWDED_ON_PURPOSE = {"vibedata/commands"}
# Runbooks have the names under which they are published.
NAMES_OF_THEIR_OWN = {"runbooks"}
# The project's folders that each folder may import.
BELOW = {
    "runbook_lib": {"runbook_lib"},
    "runbooks": {"runbooks", "runbook_lib"},
    "oci": {"oci", "runbook_lib"},
    "publisher": {"publisher", "runbook_lib"},
    "vibedata": {"vibedata", "oci", "publisher", "runbooks", "runbook_lib"},
    "scripts": {"scripts", "vibedata", "oci", "publisher", "runbooks", "runbook_lib"},
    "lab": {"lab"},
}


@cache
def product() -> dict[str, Path]:
    """Return each module of the product: dotted name to file."""
    files = [file for folder in PRODUCT for file in sorted((ROOT / folder).rglob("*.py"))]
    names = [re.sub(r"(/__init__)?\.py$", "", file.relative_to(ROOT).as_posix()) for file in files]
    return {name.replace("/", "."): file for name, file in zip(names, files, strict=True)}


@cache
def graph() -> dict[str, set[str]]:
    """Return for each module the modules of the product that it imports: at its top, in a function, or for types."""
    return {module: imported(file) & (set(product()) - {module}) for module, file in product().items()}


def imported(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports hide where they point"
            names |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def room_of(module: str) -> str:
    """Return the room, or the single module, of runbook_lib that a module belongs to."""
    return module.split(".")[1]


@pytest.mark.parametrize("folder", BELOW)
def test_folders_import_only_what_is_below_them(folder: str) -> None:
    above = {
        module: {name for name in names if name.partition(".")[0] not in BELOW[folder]}
        for module, names in graph().items()
        if module.partition(".")[0] == folder
    }
    assert {module: names for module, names in above.items() if names} == {}


def test_rooms_of_the_library_import_only_lower_floors() -> None:
    level = {room: number for number, floor in enumerate(FLOORS) for room in floor}
    inner = {m: names for m, names in graph().items() if m.startswith("runbook_lib.")}
    assert {room_of(module) for module in inner} == set(level)
    upward = {
        (module, name)
        for module, names in inner.items()
        for name in names
        if name.startswith("runbook_lib.")
        and room_of(name) != room_of(module)
        and level[room_of(name)] >= level[room_of(module)]
    }
    assert sorted(upward) == []


def test_no_import_circle() -> None:
    # An import of a module also imports its packages. The graph leaves that out, because only one package imports
    # modules itself: runbook_lib.errors.
    try:
        list(graphlib.TopologicalSorter(graph()).static_order())
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_no_room_is_crowded() -> None:
    modules = [file for file in product().values() if file.name != "__init__.py"]
    rooms = Counter(file.parent.relative_to(ROOT).as_posix() for file in modules)
    crowded = {room: count for room, count in rooms.items() if count > MAX_MODULES and room not in CROWDED_ON_PURPOSE}
    assert crowded == {}


def test_each_room_says_what_lives_there_and_its_init_file_has_nothing_else() -> None:
    faces = {name: ast.parse(file.read_text("utf-8")) for name, file in product().items() if file.name == "__init__.py"}
    assert [name for name, tree in faces.items() if not ast.get_docstring(tree)] == []
    busy = [name for name, tree in faces.items() if name.startswith("runbook_lib") and len(tree.body) > 1]
    assert busy == ["runbook_lib.errors"]


def test_private_modules_stay_in_their_room() -> None:
    strangers = {
        (module, name)
        for module, names in graph().items()
        for name in names
        if name.rpartition(".")[2].startswith("_")
        and not name.endswith("__main__")
        and module.rpartition(".")[0] != name.rpartition(".")[0]
    }
    assert sorted(strangers) == []


def test_no_file_repeats_the_name_of_its_folder() -> None:
    repeats = [
        file.relative_to(ROOT).as_posix()
        for file in product().values()
        if re.search(rf"(^|_){re.escape(file.parent.name)}(_|$)", file.stem)
        and file.parent.name not in NAMES_OF_THEIR_OWN
    ]
    assert repeats == []


def test_no_test_imports_another() -> None:
    # Code that several tests share is in tests/support. If it needs the deployed lab, it is beside these tests.
    imports = {
        (file.relative_to(ROOT).as_posix(), name)
        for file in (ROOT / "tests").rglob("*.py")
        for name in imported(file)
        if name.startswith("tests.") and any(part.startswith("test_") for part in name.split("."))
    }
    assert sorted(imports) == []


def test_modules_and_tests_stay_small() -> None:
    long = {
        file.relative_to(ROOT).as_posix(): lines
        for most, files in ((MAX_LINES, product().values()), (MAX_TEST_LINES, (ROOT / "tests").rglob("*.py")))
        for file in files
        if (lines := file.read_text("utf-8").count("\n")) > most
    }
    assert long == {}


@pytest.mark.parametrize(
    "module", ["runbooks.import_manifest", "runbooks.import_images", "runbooks.bootstrap_registry"]
)
def test_a_runbook_imports_no_sdk_before_it_needs_one(module: str) -> None:
    heavy = ("azure", "requests", "urllib3", "msal", "cryptography", "asyncio")
    program = f"import sys, {module}; print(sorted({{name.partition('.')[0] for name in sys.modules}} & set({heavy})))"
    answer = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_only_the_push_loads_the_client_that_writes_to_a_container_registry() -> None:
    # Its import takes a fifth of a second, and the other commands do not write to a container registry.
    commands = [module for module in product() if module.startswith("vibedata.commands.")]
    writers = [command for command in commands if "oci.container_registry.writer" in reached(command)]
    assert writers == ["vibedata.commands.push"]


def reached(module: str) -> set[str]:
    """Return the modules of the product that a module imports, and those that they import, and so on."""
    found, new = set[str](), {module}
    while new:
        found |= new
        new = set[str]().union(*(graph()[name] for name in new)) - found
    return found


SOURCES = read_sources(ROOT)


@pytest.mark.parametrize("runbook", runbook_names(SOURCES))
def test_a_built_runbook_carries_no_error_of_the_publishers(runbook: str) -> None:
    files = closure(f"runbooks/{runbook}.py", SOURCES).files
    publishers = {f"runbook_lib/errors/{name}.py" for name in ("build", "publisher")}
    assert publishers & set(files) == set()
