"""Check a built runbook's file: whether an Automation account would run it, and what it imports. Pure.

The build knows all this. This module finds it out for a file that comes from a container registry.
"""

import ast
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import cache

from oci.bundling.bundle import MAX_BYTES
from oci.bundling.closure import LIBRARY, RUNBOOKS
from oci.bundling.imports import imports_of
from oci.bundling.sandbox import PYTHON_VERSION

_SOURCES = "SOURCES"
_FILE = "the file"
# CPython 3.10 makes a syntax tree with recursive C functions, and does not limit the depth. In `a.a.a...` each two
# bytes add a level. When the stack is full, the process ends with a segmentation fault. So the stack has 1 KiB for each
# two bytes of the largest file, which is about ten times what a level takes. The kernel gives memory only to the part
# of the stack that is used.
STACK_BYTES = MAX_BYTES // 2 * 1024
_STACK_LOCK = threading.Lock()  # the whole process has one setting for the stack size of new threads


class UnfitError(Exception):
    """An Automation account would not run the file. The text says why."""


def foreign_imports(content: bytes) -> frozenset[str]:
    """Return the dotted names of the modules that a built runbook imports but does not embed.

    Raises UnfitError if the file is empty or too large, is not UTF-8, is not Python of the sandbox's version, or embeds
    no runbook. Raises RunbookError VD-BUILD-002 if the file imports a computed name.
    """
    if not 0 < len(content) <= MAX_BYTES:
        raise UnfitError(f"it has {len(content)} bytes; a runbook has 1 to {MAX_BYTES}")
    try:
        tree = _parsed(content.decode("utf-8"), _FILE)
    except UnicodeDecodeError as error:
        raise UnfitError(f"byte {error.start} is not UTF-8") from error
    embedded = dict(_embedded(tree))
    if not any(name.startswith(f"{RUNBOOKS}/") for name in embedded):
        raise UnfitError("it holds no runbook")
    found = set(imports_of(tree, package="").modules)
    for name, text in embedded.items():
        found |= _imports(text, name)
    return frozenset(name for name in found if name.partition(".")[0] not in (LIBRARY, RUNBOOKS))


@cache  # the runbooks of a release share most of the library
def _imports(text: str, name: str) -> frozenset[str]:
    package = name.rpartition("/")[0].replace("/", ".")
    return imports_of(_parsed(text, name), package=package).modules


def _parsed(text: str, file: str) -> ast.Module:
    try:
        return _on_a_deep_stack(lambda: ast.parse(text, feature_version=PYTHON_VERSION))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = error.lineno if isinstance(error, SyntaxError) else 1
        version = ".".join(map(str, PYTHON_VERSION))
        why = error.args[0] if error.args else "too much is nested"
        raise UnfitError(f"line {line} of {file} is no Python {version}: {why}") from error


def _on_a_deep_stack(parse: Callable[[], ast.Module]) -> ast.Module:
    """Return the result of `parse`, or raise its error. `parse` runs in its own thread, with a stack of STACK_BYTES."""
    result: Future[ast.Module] = Future()

    def run() -> None:
        try:
            result.set_result(parse())
        except BaseException as error:  # noqa: BLE001 - it is raised again in the caller's thread
            result.set_exception(error)

    with _STACK_LOCK:
        before = threading.stack_size(STACK_BYTES)
        try:
            thread = threading.Thread(target=run)
            thread.start()
        finally:
            threading.stack_size(before)
    thread.join()
    return result.result()


def _embedded(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each embedded file (oci/bundling/bundle.py)."""
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        value = node.value if isinstance(node, ast.Assign) else None
        if (
            isinstance(target, ast.Subscript)
            and isinstance(target.value, ast.Name)
            and target.value.id == _SOURCES
            and isinstance(target.slice, ast.Constant)
            and isinstance(value, ast.Subscript)
            and isinstance(value.value, ast.Constant)
        ):
            yield str(target.slice.value), str(value.value.value)[1:]
