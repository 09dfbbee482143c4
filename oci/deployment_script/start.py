"""Run deploy_instance in the container of a deployment script. The script holds the text of this program.

The program needs no package. It reads the inputs, unpacks the release's wheels, runs the runbook in a separate process,
and writes the result to $AZ_SCRIPTS_OUTPUT_PATH. Its argument is the folder with this file, deploy_instance.py and
script.json, which holds what the build knows. At its end the program removes that folder.
"""

import base64
import binascii
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

INPUTS = "VIBEDATA_DEPLOYMENT"
OUTPUT = "AZ_SCRIPTS_OUTPUT_PATH"
INPUT_FOLDER = "AZ_SCRIPTS_PATH_INPUT_DIRECTORY"
MAX_INPUTS = 65_536
BUILT_FOR = "3.10"
MAX_DETAIL = 300
READ_BYTES = 1024 * 1024
# With -I, modules come only from Python itself and from the unpacked wheel.
RUN = """\
import runpy, sys
sys.path.insert(0, sys.argv[1])
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
IMPORT = """\
import importlib, sys
sys.path.insert(0, sys.argv[1])
for name in sys.argv[2:]:
    importlib.import_module(name)
"""
# The members of a run's result that go into the deployment's outputs. The operations log has each change.
TOLD = ("runbook", "version", "status", "correlation_id", "run_id", "changed", "unchanged", "parts", "error")


class Refused(Exception):  # noqa: N818 - the script reports it
    """A failure of the script itself: its code, and what happened this time."""

    def __init__(self, code: str, detail: str) -> None:
        """Keep both values."""
        super().__init__(detail)
        self.code = code


def main(folder: Path) -> int:
    """Run the runbook, write the deployment's outputs, and return the exit code. `folder` is the program's argument."""
    known = json.loads((folder / "script.json").read_text("utf-8"))
    started = time.monotonic()
    try:
        settings, parameters = inputs(os.environ.get(INPUTS, ""), known["settings"])
        site = unpacked(folder, known["wheels"])
        can_import(site, known["modules"])
        code, result = run(folder, site, settings, parameters)
    except Refused as refused:
        error = {**known["errors"][refused.code]}
        code = error.pop("exit_code")
        error["message"] = f"{error['message']}: {refused}"
        say(f"ERROR: {refused.code}: {error['message']}\n  cause: {error['cause']}\n  what to do: {error['remedy']}")
        result = {"runbook": known["name"], "version": known["version"], "status": "failed", "error": error}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    told = {name: result[name] for name in TOLD if name in result}
    Path(os.environ[OUTPUT]).write_text(json.dumps({**told, "seconds": round(time.monotonic() - started, 1)}), "utf-8")
    return int(code)


def inputs(text: str, settings: list[str]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the settings and the parameters from the inputs.

    `text` is base64 of a JSON object. `settings` are the names of all settings. Raises Refused VD-SCRIPT-002.
    """
    if not text or len(text) > MAX_INPUTS:
        raise Refused("VD-SCRIPT-002", f"{INPUTS} has {len(text)} characters; it takes 1 to {MAX_INPUTS}")
    try:
        given = json.loads(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise Refused("VD-SCRIPT-002", f"{INPUTS} is not base64 of JSON: {type(error).__name__}") from error
    if not isinstance(given, dict) or set(given) - {"settings", "parameters"}:
        raise Refused("VD-SCRIPT-002", f"{INPUTS} takes an object with settings and parameters")
    found, parameters = given.get("settings", {}), given.get("parameters", {})
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise Refused("VD-SCRIPT-002", "settings takes an object of texts")
    unfit = sorted(name for name, value in found.items() if not fits_environment(value))
    if unfit:
        raise Refused("VD-SCRIPT-002", f"no environment can hold the value of setting {ascii(unfit[0])[:MAX_DETAIL]}")
    if not isinstance(parameters, dict):
        raise Refused("VD-SCRIPT-002", "parameters takes an object")
    unknown = sorted(set(found) - set(settings))
    if unknown:
        raise Refused("VD-SCRIPT-002", f"no setting is called {ascii(unknown[0])[:MAX_DETAIL]}")
    return found, parameters


def fits_environment(value: str) -> bool:
    """Return whether an environment variable can hold a text: it has no NUL, and its bytes can be written."""
    try:
        value.encode()  # refuses every half of a surrogate pair; os.fsencode accepts some of them
        return b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        return False


def unpacked(folder: Path, wheels: list[dict[str, Any]]) -> Path:
    """Return the folder with the unpacked modules of the wheels for this Python.

    The wheels are beside the script. Raises Refused VD-SCRIPT-003 (a wheel is not there), -004 (no wheel is for this
    Python).
    """
    own, site = "{}.{}".format(*sys.version_info[:2]), folder / "site"
    if own != BUILT_FOR and own not in {wheel["python"] for wheel in wheels}:
        raise Refused("VD-SCRIPT-004", f"there is no wheel for Python {own} at {sys.executable}")
    for wheel in wheels:
        if wheel["python"] in ("", own):
            with zipfile.ZipFile(found(folder, wheel)) as archive:
                archive.extractall(site)
    return site


def found(folder: Path, wheel: dict[str, Any]) -> Path:
    """Return a copy of a wheel. The wheel is beside the script, and its file may have any name.

    The digest in the script decides which file is the wheel. No file is opened as a zip before its digest is known to
    be right. Raises Refused VD-SCRIPT-003 if no file has the digest.
    """
    beside = sorted(path for path in Path(os.environ[INPUT_FOLDER]).iterdir() if path.is_file())
    for path in beside:
        if path.stat().st_size == wheel["size"] and sha256(path) == wheel["sha256"]:
            # Unpack exactly the hashed bytes, even if somebody changes the file beside the script.
            own: Path = folder / wheel["sha256"]
            shutil.copyfile(path, own)
            if sha256(own) == wheel["sha256"]:
                return own
    names = ", ".join(ascii(path.name) for path in beside)[:MAX_DETAIL]
    raise Refused("VD-SCRIPT-003", f"none of these files is this release's {wheel['name']}: {names}")


def sha256(path: Path) -> str:
    """Return a file's SHA-256 in hex."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(READ_BYTES):
            found.update(piece)
    return found.hexdigest()


def environment() -> dict[str, str]:
    """Return the environment of the processes that use the wheels.

    The packages are made for BUILT_FOR. Another Python can use only compiled modules of the stable ABI. Three packages
    have other compiled modules, and also have the same code in Python. They use that code if the environment says so.
    """
    pure = {f"{name}_NO_EXTENSIONS": "1" for name in ("MULTIDICT", "PROPCACHE", "YARL")}
    return {**os.environ, **({} if "{}.{}".format(*sys.version_info[:2]) == BUILT_FOR else pure)}


def can_import(site: Path, modules: list[str]) -> None:
    """Check whether this Python can import `modules`, before the run. Raises Refused VD-SCRIPT-004."""
    command = [sys.executable, "-I", "-c", IMPORT, str(site), *modules]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        words = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        version = ".".join(map(str, sys.version_info[:3]))
        raise Refused("VD-SCRIPT-004", f"Python {version} at {sys.executable}: {words[:MAX_DETAIL]}")


def run(folder: Path, site: Path, settings: dict[str, str], parameters: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Run the runbook, and return its exit code and its result.

    Each line of its output is shown at once, except lines of JSON. The last line is the result, which is JSON. Raises
    Refused VD-SCRIPT-002 (Linux does not start a process with these inputs), -005 (no result, or one that contradicts
    the exit code).
    """
    argument = base64.urlsafe_b64encode(json.dumps(parameters).encode()).decode().rstrip("=")
    command = [sys.executable, "-I", "-c", RUN, str(site), str(folder / "deploy_instance.py"), argument]
    environ = {name: value for name, value in environment().items() if name != INPUTS}
    environ |= {f"VIBEDATA_{name.upper()}": value for name, value in settings.items() if value}
    last = ""
    try:
        started = subprocess.Popen(  # noqa: S603
            command, env=environ, stdout=subprocess.PIPE, text=True, encoding="utf-8", errors="replace"
        )
    except OSError as error:  # Linux takes at most 128 KiB in one argument
        raise Refused("VD-SCRIPT-002", f"the runbook cannot be started with it: {error.strerror}") from error
    with started as process:
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        for line in process.stdout:
            last = line.rstrip("\n")
            if not last.startswith("{"):
                say(last)
    try:
        result = json.loads(last)
        is_good = result["status"] in ("succeeded", "unchanged", "planned")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        detail = f"it ended with exit code {process.returncode}, and its last line is no result"
        raise Refused("VD-SCRIPT-005", detail) from error
    if is_good != (process.returncode == 0):
        raise Refused("VD-SCRIPT-005", f"its result says {result['status']}, its exit code is {process.returncode}")
    return process.returncode, result


def say(text: str) -> None:
    """Write a line to standard output at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
