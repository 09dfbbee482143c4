"""A package before it is made: its files as values that a test can change and write into a folder."""

import copy
import json
import os
import shutil
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from vibedata.package.contents import TEMPLATE, USER_INTERFACE, VIEW
from vibedata.package.making import Made, Sources, make

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
FIXTURES = ROOT / "tests" / "fixtures" / "package"
RUNBOOK = "runbooks/deploy_instance.py"
TODAY = date(2026, 11, 1)
# The program that replaces the compiler.
CAT = Path(shutil.which("cat") or "/bin/cat")


def _value(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


_TEMPLATE, _PUBLISHER = _value(FIXTURES / TEMPLATE), _value(FIXTURES / "publisher.json")
_USER_INTERFACE, _VIEW = _value(INFRA / "ui" / USER_INTERFACE), _value(INFRA / "ui" / VIEW)


@dataclass(kw_only=True)
class Draft:
    """A package's files. Unchanged, they keep every rule."""

    template: Any = field(default_factory=lambda: copy.deepcopy(_TEMPLATE))
    user_interface: Any = field(default_factory=lambda: copy.deepcopy(_USER_INTERFACE))
    view: Any = field(default_factory=lambda: copy.deepcopy(_VIEW))
    publisher: Any = field(default_factory=lambda: copy.deepcopy(_PUBLISHER))
    artifacts: dict[str, int] = field(default_factory=lambda: {RUNBOOK: 100})

    @property
    def resources(self) -> Any:
        """Return the main template's resources."""
        return self.template["resources"]

    def module(self, name: str) -> Any:
        """Return the template of a module."""
        return next(each["properties"]["template"] for each in self.resources if each["name"] == name)

    def elements(self, step: str) -> dict[str, Any]:
        """Return the elements of a step by their names."""
        steps = self.user_interface["parameters"]["steps"]
        return {each["name"]: each for found in steps if found["name"] == step for each in found["elements"]}

    def write(self, folder: Path) -> Sources:
        """Write the files into a folder, with a compiler beside them that gives the template. Return their places."""
        infra, artifacts, bin_ = folder / "infra", folder / "artifacts", folder / "bin"
        for each in (infra / "ui", artifacts, bin_):
            each.mkdir(parents=True)
        (infra / "types").symlink_to(INFRA / "types")
        (infra / "mainTemplate.bicep").write_text("// the compiler of this folder reads nothing\n")
        for file, value in (
            (folder / TEMPLATE, self.template),
            (infra / "ui" / USER_INTERFACE, self.user_interface),
            (infra / "ui" / VIEW, self.view),
            (folder / "publisher.json", self.publisher),
        ):
            file.write_text(json.dumps(value, indent=2) + "\n")
        for name, size in self.artifacts.items():
            file = artifacts / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
            os.truncate(file, size)  # sparse: a large file costs nothing
        script = bin_ / "bicep"
        script.write_text(f"#!/bin/sh\nexec cat '{folder / TEMPLATE}'\n")
        script.chmod(0o755)
        return Sources(infra=infra, parameters=folder / "publisher.json", artifacts=artifacts)

    def make(self, folder: Path) -> Made:
        """Write the files and make the package of them."""
        return make(self.write(folder), with_compiler(folder), TODAY)


def with_compiler(folder: Path) -> dict[str, str]:
    """Return an environment in which the folder's compiler is on the PATH."""
    return {"PATH": f"{folder / 'bin'}:{CAT.parent}", "HOME": str(folder)}


def without_compiler(folder: Path) -> dict[str, str]:
    """Return an environment without a compiler."""
    return {"PATH": "", "HOME": str(folder)}
