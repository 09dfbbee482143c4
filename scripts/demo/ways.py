"""The other two ways to start a deployment, after the command: an Automation job, and a deployment script."""

import base64
import json
import os
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from oci.deployment_script import script
from runbook_lib.azure.session import AzureSession
from runbooks import deploy_instance
from vibedata.jobs.following import run_job
from vibedata.output import CommandError
from vibedata.progress_view.writer import View

OUTPUTS = "scriptoutputs.json"
INPUTS = "VIBEDATA_DEPLOYMENT"


def by_job(session: AzureSession, view: View) -> Sequence[Mapping[str, Any]]:
    """Start the job that infra/modules/deploymentJob.bicep starts, and return its changes. Raises CommandError."""
    parameters = {"correlation_id": str(uuid.uuid4())}
    ended = run_job(session, deploy_instance.NAME, parameters, view.job(deploy_instance.NAME))
    result = ended.result
    if result is None:
        raise CommandError(f"the job is {ended.status}: {ended.exception}", remedy="look at the lines above")
    _check(result)
    changes: Sequence[Mapping[str, Any]] = result["changes"]
    return changes


def by_script(release: Path, session: AzureSession, view: View) -> Sequence[str]:
    """Run the script that infra/modules/deploymentScript.bicep runs. Return what has changed. Raises CommandError."""
    outputs = release.parent / OUTPUTS
    outputs.unlink(missing_ok=True)
    inputs = {"settings": asdict(session.settings), "parameters": {"correlation_id": str(uuid.uuid4())}}
    # The container knows only what the inputs say about the instance.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VIBEDATA_")}
    environ = kept | {
        "AZ_SCRIPTS_OUTPUT_PATH": str(outputs),
        INPUTS: base64.b64encode(json.dumps(inputs).encode()).decode(),
    }
    job = view.job(deploy_instance.NAME)
    command = ["bash", str(release / script.FOLDER / script.NAME)]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:  # noqa: S603
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        for line in process.stdout:
            job.line(line.rstrip("\n"))
    result = json.loads(outputs.read_text())
    _check(result)
    if process.returncode != 0:
        raise CommandError(f"the script ended with {process.returncode}", remedy="look at the lines above")
    return [part["runbook"] for part in result["parts"] for _ in range(part["changed"])]


def _check(result: Mapping[str, Any]) -> None:
    if result["error"] is not None:
        raise CommandError(result["error"]["message"], remedy=result["error"]["remedy"])
