"""Run a deployment script as Azure does: a process with inputs, a folder of supporting files, a file for outputs."""

import base64
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from runbook_lib.azure.settings import Settings
from tests.support.running_lab import LabUnderTest

# The variables that the container's login sets. In the lab the identity's endpoint replaces the Azure CLI's login.
KEPT = ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
TOOLS = ("bash", "cat", "dirname", "mktemp", "sed", "uname")
PATIENCE_SECONDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a script ended. outputs: the result that it wrote for the deployment."""

    exit_code: int
    text: str
    outputs: Mapping[str, Any]

    @property
    def error_code(self) -> str:
        """The code of the error, "" for none."""
        error = self.outputs.get("error")
        return "" if error is None else str(error["code"])

    def statuses(self) -> dict[str, str]:
        """Return how each part ended."""
        return {part["runbook"]: part["status"] for part in self.outputs["parts"]}


def encoded(settings: Mapping[str, str], parameters: Mapping[str, object]) -> str:
    """Return the inputs as the template makes them."""
    return base64.b64encode(json.dumps({"settings": settings, "parameters": parameters}).encode()).decode()


def settings_of(lab: LabUnderTest) -> dict[str, str]:
    """Return the lab's settings, as a template knows them."""
    names = [each.name for each in fields(Settings)]
    found = {name: lab.env.get(f"VIBEDATA_{name.upper()}", "") for name in names}
    return {name: value for name, value in found.items() if value}


def path_with(folder: Path, **programs: Path) -> Path:
    """Make a folder that is the whole PATH. It has the tools that the script needs, and these programs."""
    folder.mkdir()
    for tool in TOOLS:
        found = next(Path(place) / tool for place in ("/bin", "/usr/bin") if (Path(place) / tool).exists())
        (folder / tool).symlink_to(found)
    for name, program in programs.items():
        (folder / name.replace("_", ".")).symlink_to(program)
    return folder


def run(
    script: Path,
    *,
    inputs: str,
    scratch: Path,
    programs: Path,
    lab: LabUnderTest | None = None,
    beside: Path | None = None,
) -> Ended:
    """Run the script. programs: the whole PATH. beside: the folder of supporting files, None for the script's own."""
    output, temporary = scratch / "scriptoutputs.json", scratch / "tmp"
    output.unlink(missing_ok=True)
    temporary.mkdir(exist_ok=True)
    environ = {name: lab.env[name] for name in KEPT if lab is not None and name in lab.env}
    environ |= {
        "PATH": str(programs),
        "HOME": str(scratch),
        "TMPDIR": str(temporary),
        "AZ_SCRIPTS_OUTPUT_PATH": str(output),
        "VIBEDATA_DEPLOYMENT": inputs,
    }
    if beside is not None:
        environ["AZ_SCRIPTS_PATH_INPUT_DIRECTORY"] = str(beside)
    done = subprocess.run(
        [programs / "bash", script],
        cwd=scratch,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert list(temporary.iterdir()) == [], "it leaves its files behind"
    outputs: dict[str, Any] = json.loads(output.read_text())
    return Ended(exit_code=done.returncode, text=done.stdout + done.stderr, outputs=outputs)
