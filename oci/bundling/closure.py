"""Find the files that a runbook needs, and check that the sandbox has all other modules. Pure: texts in, names out."""

import ast
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from oci.bundling.imports import Imports, imports_of
from oci.bundling.sandbox import PYTHON_VERSION
from runbook_lib.errors import RunbookError, build

LIBRARY = "runbook_lib"
RUNBOOKS = "runbooks"
# The end of every built runbook imports this module.
MAIN_MODULE = f"{LIBRARY}.runbook"
# The sandbox has this module besides the packages. It gives the assets of the Automation account.
OF_THE_SANDBOX = frozenset({"automationassets"})


@dataclass(frozen=True, slots=True)
class Closure:
    """The files that one built runbook embeds, in order, and the modules that it imports from elsewhere."""

    files: tuple[str, ...]
    foreign: frozenset[str]


def closure(runbook: str, sources: Mapping[str, str]) -> Closure:
    """Return the runbook's file, then all files that it needs in the order of their names.

    `runbook` is a file name, e.g. `runbooks/import_images.py`. `sources` has the text of each file by its name. Raises
    RunbookError VD-BUILD-002: a missing file, syntax that the sandbox's Python does not know, no RUNBOOK, or an import
    of a computed name.
    """
    waiting, found, foreign = [runbook, f"{RUNBOOKS}/__init__.py"], set[str](), set[str]()
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found.add(file)
        imports = _imports_of(file, sources, is_runbook=file == runbook)
        foreign.update(module for module in imports.modules if not _is_ours(module))
        for module in filter(_is_ours, imports.modules):
            own = _file_of(module, sources)
            if own is None:
                raise not_bundled(file, f"it imports {module}, which is not there")
            waiting += _with_packages(own)
        for name in filter(_is_ours, imports.names):
            waiting += _with_packages(_file_of(name, sources))
    return Closure((runbook, *sorted(found - {runbook})), frozenset(foreign))


def check_available(runbook: str, foreign: frozenset[str], *, packaged: frozenset[str]) -> None:
    """Refuse imports that neither Python nor a locked package has.

    `packaged` are the dotted names of the locked packages' modules. Raises RunbookError VD-BUILD-002.
    """
    known = sys.stdlib_module_names | OF_THE_SANDBOX
    missing = sorted(name for name in foreign if name.partition(".")[0] not in known and name not in packaged)
    if missing:
        raise build.RUNBOOK_NOT_BUNDLED.error(f"no locked package has {', '.join(missing)}", target=runbook)


def not_bundled(file: str, detail: str) -> RunbookError:
    """Return the error for a source file that cannot be part of a built runbook."""
    return build.RUNBOOK_NOT_BUNDLED.error(detail, target=file)


def _imports_of(file: str, sources: Mapping[str, str], *, is_runbook: bool) -> Imports:
    if file not in sources:
        raise not_bundled(file, "there is no such file")
    imports, assigns_runbook = _read(file, sources[file])
    if not is_runbook:
        return imports
    if not assigns_runbook:
        raise not_bundled(file, "it does not assign RUNBOOK")
    return Imports(imports.modules | {MAIN_MODULE}, imports.names)


@cache  # the runbooks of a build share most of the library
def _read(file: str, text: str) -> tuple[Imports, bool]:
    """Return the imports of a file, and whether it assigns RUNBOOK."""
    try:
        tree = ast.parse(text, filename=file, feature_version=PYTHON_VERSION)
        imports = imports_of(tree, package=file.rpartition("/")[0].replace("/", "."))
    except SyntaxError as error:
        version = ".".join(map(str, PYTHON_VERSION))
        raise not_bundled(file, f"line {error.lineno}: {error.msg} (Python {version})") from error
    except RunbookError as error:
        raise not_bundled(file, error.detail) from error
    return imports, any(map(_assigns_runbook, tree.body))


def _assigns_runbook(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    else:
        return False
    return any(isinstance(target, ast.Name) and target.id == "RUNBOOK" for target in targets)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in (LIBRARY, RUNBOOKS)


def _file_of(module: str, sources: Mapping[str, str]) -> str | None:
    path = module.replace(".", "/")
    return next((file for file in (f"{path}.py", f"{path}/__init__.py") if file in sources), None)


def _with_packages(file: str | None) -> list[str]:
    """Return a module's file and the files of the packages above it. Without a file there is no module: return []."""
    if file is None:
        return []
    folders = file.split("/")[:-1]
    return [file, *("/".join([*folders[:depth], "__init__.py"]) for depth in range(1, len(folders) + 1))]
