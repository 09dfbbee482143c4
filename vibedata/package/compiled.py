"""Compile the template, and keep it in a file. The kept file says from which sources it was compiled."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oci.files.reading import FileRefusedError, read_file
from oci.files.writing import write_file
from runbook_lib.basics import strict_json
from runbook_lib.basics.strict_json import member
from runbook_lib.errors import build
from vibedata.package.contents import TEMPLATE

MAIN = "mainTemplate.bicep"
# Azure Resource Manager's limit for a template.
MAX_TEMPLATE_BYTES = 4 * 1024 * 1024
_MAX_SOURCE_BYTES = 1024 * 1024
_TIMEOUT_SECONDS = 300
_MAX_SHOWN_LINES = 20
# The template keeps the hash of its sources in metadata.vibedata.
_STAMP = "vibedata"
# These folders are beside the sources. The compiler does not read them.
_NO_SOURCES = ("parameters", "types", "ui")


def template_of(infra: Path, environ: Mapping[str, str]) -> bytes:
    """Return the compiled template of a folder: the kept file, or else a new one, which is then kept.

    The kept file is used if it was compiled from the present sources and nobody has edited it.

    Raises:
        RunbookError: VD-PACKAGE-002 (there is neither such a file nor a compiler), -003 (the file is out of date and
            there is no compiler), -004 (the compiler refuses the sources), -005 (a source or the kept file cannot be
            read).
        UnwritableError: The new template cannot be kept.
    """
    sources = hash_of_sources(infra)
    kept = infra / TEMPLATE
    found = _kept(kept)
    if found is not None and _is_fresh(found, sources):
        return found
    compiler = find_compiler(environ)
    if compiler is None:
        raise (build.TEMPLATE_MISSING if found is None else build.TEMPLATE_STALE).error(target=str(kept))
    stamped = _stamped(_compile(compiler, infra / MAIN, environ), sources)
    write_file(kept, stamped, what="the compiled template")
    return stamped


def find_compiler(environ: Mapping[str, str]) -> str | None:
    """Return the path of the Bicep CLI: `bicep` on the PATH, or else the one that `az bicep install` has installed.

    Return None if there is neither.
    """
    configured = environ.get("AZURE_CONFIG_DIR") or f"{environ.get('HOME', '')}/.azure"
    return shutil.which("bicep", path=environ.get("PATH", "")) or shutil.which("bicep", path=f"{configured}/bin")


def hash_of_sources(infra: Path) -> str:
    """Return the SHA-256 in hex of all files that the compiler may read, with their names."""
    hashed = hashlib.sha256()
    for file in sorted(infra.rglob("*")):
        name = file.relative_to(infra)
        if file.is_file() and file.suffix in (".bicep", ".json") and name.parts[0] not in (*_NO_SOURCES, TEMPLATE):
            content = hashlib.sha256(_read(file, _MAX_SOURCE_BYTES)).hexdigest()
            hashed.update(f"{name.as_posix()}\n{content}\n".encode("utf-8", "surrogateescape"))
    return hashed.hexdigest()


def _kept(file: Path) -> bytes | None:
    return _read(file, MAX_TEMPLATE_BYTES) if file.exists() else None


def _read(file: Path, max_bytes: int) -> bytes:
    try:
        return read_file(file, max_bytes=max_bytes)
    except FileRefusedError as error:
        raise build.PACKAGE_FILE_REFUSED.error(str(error), target=str(file)) from error


def _is_fresh(content: bytes, sources: str) -> bool:
    try:
        value = strict_json.loads(content)
    except strict_json.NotStrictJsonError:
        return False
    return isinstance(value, dict) and _metadata(value).get(_STAMP) == _stamp(value, sources)


def _stamped(compiled: bytes, sources: str) -> bytes:
    value = strict_json.loads(compiled)
    return as_bytes({**value, "metadata": {**_metadata(value), _STAMP: _stamp(value, sources)}})


def as_bytes(value: Any) -> bytes:
    """Return the bytes of a template, in the form in which it is kept and packed."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _stamp(value: Mapping[str, Any], sources: str) -> dict[str, str]:
    """Return the hash of a template's sources, and the hash of the template without these two hashes."""
    metadata = {key: each for key, each in _metadata(value).items() if key != _STAMP}
    text = json.dumps({**value, "metadata": metadata}, sort_keys=True, separators=(",", ":"))
    return {"sources": sources, "template": hashlib.sha256(text.encode()).hexdigest()}


def _metadata(value: Any) -> Mapping[str, Any]:
    found = member(value, "metadata")
    return found if isinstance(found, Mapping) else {}


def _compile(compiler: str, main: Path, environ: Mapping[str, str]) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603 - the compiler that the user has installed
            [compiler, "build", str(main), "--stdout"],
            capture_output=True,
            env=dict(environ),
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise build.TEMPLATE_NOT_COMPILED.error(f"{compiler}: {error}", target=str(main)) from error
    said = done.stderr.decode(errors="replace").strip().splitlines()
    if done.returncode != 0:
        told = "\n".join(said[:_MAX_SHOWN_LINES]) or f"it ends with exit code {done.returncode}"
        raise build.TEMPLATE_NOT_COMPILED.error(told, target=str(main))
    try:
        value = strict_json.loads(done.stdout)
    except strict_json.NotStrictJsonError as error:
        raise build.TEMPLATE_NOT_COMPILED.error(f"what it writes is no JSON: {error}", target=str(main)) from error
    if not isinstance(value, dict):
        raise build.TEMPLATE_NOT_COMPILED.error("what it writes is no template", target=str(main))
    return done.stdout
