"""The Python that jobs run with: the interpreter on this machine, and one environment for each set of packages."""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.automation import wheels
from lab.automation.wheels import SANDBOX_PYTHON, Wheel

ASSETS_MODULE = Path(__file__).parent / "sandbox" / "automationassets.py"
SANDBOX_PYTHON_NAME = ".".join(map(str, SANDBOX_PYTHON))
# Where set-ups put a CPython 3.10 that is not on PATH; globs, below the home directory or the root.
HOME_PLACES = (".pyenv/versions/3.10.*/bin/python3.10", ".local/share/uv/python/cpython-3.10.*/bin/python3.10")
ROOT_PLACES = ("usr/local/bin/python3.10", "opt/*/bin/python3.10", "opt/python/cp310*/bin/python3.10")
PROBE = "import json, sys; print(json.dumps([sys.implementation.name, sys.version_info[:3], sys.base_prefix]))"
PROBE_SECONDS = 20


class EnvironmentFailedError(Exception):
    """An environment could not be made. The text says which command failed and how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A CPython on this machine; `version` is e.g. "3.10.13"."""

    executable: Path
    version: str

    @property
    def series(self) -> tuple[int, int]:
        """Return e.g. (3, 10)."""
        major, minor, _ = self.version.split(".")
        return int(major), int(minor)

    @property
    def warning(self) -> str | None:
        """Say what differs from the sandbox; None if nothing does."""
        if self.series == SANDBOX_PYTHON:
            return None
        return (
            f"No CPython {SANDBOX_PYTHON_NAME} was found on this machine: jobs run with {self.version} "
            f"({self.executable}), and packages that do not fit it are taken from the lab's own environment. "
            f"Put a python{SANDBOX_PYTHON_NAME} on PATH to mend this."
        )


def find_interpreter() -> Interpreter:
    """Return a CPython 3.10 of this machine, preferably the lab's own. Without one, return the lab's interpreter."""
    own = probe(Path(sys.executable))
    if own is None:
        raise EnvironmentFailedError(f"The lab's own interpreter {sys.executable} is not CPython or does not start.")
    if own.series == SANDBOX_PYTHON:
        return own
    for candidate in _candidates():
        found = probe(candidate)
        if found is not None and found.series == SANDBOX_PYTHON:
            return found
    return own


def probe(executable: Path) -> Interpreter | None:
    """Ask an executable for its version; None if it is no CPython that starts (e.g. a pyenv shim without version)."""
    try:
        answer = subprocess.run(  # noqa: S603 - a Python found on this machine, fixed arguments
            [executable, "-I", "-c", PROBE], capture_output=True, check=True, timeout=PROBE_SECONDS
        )
        implementation, version, prefix = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    if implementation != "cpython":
        return None
    # A virtual environment may be deleted, so take the Python that it was made from.
    base = Path(prefix) / "bin" / f"python{version[0]}.{version[1]}"
    return Interpreter(executable=base if base.exists() else executable, version=".".join(map(str, version)))


class PythonEnvironments:
    """Unpacked wheels and the environments made of them, kept below one directory from one lab to the next."""

    def __init__(self, *, directory: Path, interpreter: Interpreter) -> None:
        """Keep everything in `directory`, in one folder for each version of the interpreter."""
        self.interpreter = interpreter
        self._wheels = directory / interpreter.version / "wheels"
        self._environments = directory / interpreter.version / "environments"
        self._host_tags = wheels.host_tags(interpreter.series)
        self._making: dict[str, asyncio.Lock] = {}

    async def add_wheel(self, file_name: str, content: Path) -> Wheel:
        """Check, unpack and compile the wheel file `content`, named `file_name`; WheelRefusedError if it is refused.

        The same content is unpacked only once. A wheel that fits the sandbox but not this machine is replaced by the
        package from the lab's own environment.
        """
        name, version, tags = wheels.parse_name(file_name)
        sha256 = await asyncio.to_thread(wheels.digest, content)
        files = self._wheels / f"{name}-{version}-{sha256}"
        async with self._making.setdefault(files.name, asyncio.Lock()):
            if not files.is_dir():
                unfinished = files.with_name(f"{files.name}.unpacked")
                shutil.rmtree(unfinished, ignore_errors=True)
                if tags & self._host_tags:
                    await asyncio.to_thread(wheels.unpack, content, unfinished)
                else:
                    await asyncio.to_thread(wheels.copy_installed, name, version, unfinished)
                await self._compile(unfinished)
                unfinished.rename(files)
        return Wheel(name=name, version=version, sha256=sha256, size_bytes=content.stat().st_size, files=files)

    async def python(self, packages: Iterable[Wheel]) -> Path:
        """Return the `python` of an environment of exactly `packages` and `automationassets`. Make it if needed."""
        chosen = sorted(packages, key=lambda wheel: (wheel.name, wheel.sha256))
        made_of = [str(self.interpreter.executable), wheels.digest(ASSETS_MODULE)]
        made_of += [wheel.files.name for wheel in chosen]
        names = "\n".join(made_of)
        environment = self._environments / hashlib.sha256(names.encode()).hexdigest()[:32]
        async with self._making.setdefault(environment.name, asyncio.Lock()):
            if not environment.is_dir():
                await self._make(environment, chosen)
        return environment / "bin" / "python"

    async def _make(self, environment: Path, chosen: list[Wheel]) -> None:
        self._environments.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(dir=self._environments, prefix=".unfinished-"))
        try:
            await _run(self.interpreter.executable, "-I", "-m", "venv", "--without-pip", "--symlinks", unfinished)
            site_packages = next(unfinished.glob("lib/python*/site-packages"))
            await asyncio.to_thread(wheels.link_into, [wheel.files for wheel in chosen], site_packages)
            await asyncio.to_thread(shutil.copyfile, ASSETS_MODULE, site_packages / ASSETS_MODULE.name)
            unfinished.rename(environment)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    async def _compile(self, files: Path) -> None:
        """Compile to bytecode, as an installer does, so that a job starts as fast as in a warm sandbox."""
        await _run(self.interpreter.executable, "-I", "-m", "compileall", "-q", files, may_fail=True)


async def _run(*command: Path | str, may_fail: bool = False) -> None:
    # may_fail: a wheel may hold files that this Python cannot compile (templates, tests). Installers go on, too.
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PATH": os.defpath},
    )
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        raise
    if process.returncode != 0 and not may_fail:
        raise EnvironmentFailedError(
            f"{' '.join(map(str, command))} ended with {process.returncode}: {output.decode(errors='replace')}"
        )


def _candidates() -> Iterator[Path]:
    on_path = shutil.which(f"python{SANDBOX_PYTHON_NAME}")
    if on_path:
        yield Path(on_path)
    for root, places in ((Path.home(), HOME_PLACES), (Path("/"), ROOT_PLACES)):
        for place in places:
            yield from sorted(root.glob(place), reverse=True)
