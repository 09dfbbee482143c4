"""Imports the modules whose source text this file holds, as if they were files of their own.

A traceback names the original module, line and source text. The modules of the embedded packages come only from this
file. So a module of the same name in the environment cannot replace them.
"""

import linecache
import sys
import traceback
from importlib.machinery import ModuleSpec
from types import ModuleType


class EmbeddedModules:
    """A finder and loader (PEP 451) of the modules in `sources`, which has texts by file name.

    Such a name is, for example, `runbook_lib/network/retry.py`.
    """

    def __init__(self, sources: dict[str, str]) -> None:
        self._files = {_module_name(file): file for file in sources}
        self._sources = sources
        self._packages = {name.partition(".")[0] for name in self._files}

    def find_spec(self, name: str, path: object = None, target: object = None) -> "ModuleSpec | None":  # noqa: ARG002
        """Return the spec of an embedded module, None for a name that is not below the embedded packages."""
        if name.partition(".")[0] not in self._packages:
            return None
        if name not in self._files:
            raise ModuleNotFoundError(f"No module named {name!r} in this runbook", name=name)
        file = self._files[name]
        return ModuleSpec(name, self, origin=file, is_package=file.endswith("/__init__.py"))  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """Let the import system make the module object."""

    def exec_module(self, module: ModuleType) -> None:
        """Compile a module's text under its own file name and run it."""
        file = self._files[module.__name__]
        source = self._sources[file]
        # Fill linecache now. Later it would find a file of the same name below the working folder.
        linecache.cache[file] = (len(source), None, [line + "\n" for line in source.split("\n")], file)
        exec(compile(source, file, "exec", dont_inherit=True), module.__dict__)  # noqa: S102

    def get_source(self, name: str) -> str:
        """Return a module's text, for inspect and traceback."""
        return self._sources[self._files[name]]


def _module_name(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def install(sources: dict[str, str]) -> None:
    """Make the modules in `sources` importable, before all others."""
    embedded = EmbeddedModules(sources)
    for name in [name for name in sys.modules if name.partition(".")[0] in embedded._packages]:
        del sys.modules[name]
    sys.meta_path.insert(0, embedded)
    # The interpreter's own hook would search for the source text in files.
    sys.excepthook = traceback.print_exception
