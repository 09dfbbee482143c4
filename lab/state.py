"""What a running lab leaves in its folder: the lock, its process, and the environment file that clients read."""

import fcntl
import json
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from lab.shared import Lab

LOCK_FILE = "lab.lock"
PROCESS_FILE = "lab.pid"
ENVIRONMENT_FILE = "lab.env"
INSTANCE_FILE = "instance.json"


class LabRunningError(Exception):
    """Another lab runs in the same folder."""


def take(directory: Path) -> IO[str]:
    """Claim the folder for this process; LabRunningError if another process has it. Keep the returned file open.

    The kernel frees the lock when the process ends, even if it is killed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    lock = (directory / LOCK_FILE).open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise LabRunningError(
            f"a lab runs in {directory} already; `vibedata lab down --dir {directory}` ends it"
        ) from error
    (directory / ENVIRONMENT_FILE).unlink(missing_ok=True)
    _write(directory / PROCESS_FILE, json.dumps({"pid": os.getpid(), "started": started(os.getpid())}))
    return lock


def release(directory: Path) -> None:
    """Remove the files that say that a lab runs here."""
    (directory / INSTANCE_FILE).unlink(missing_ok=True)
    (directory / ENVIRONMENT_FILE).unlink(missing_ok=True)
    (directory / PROCESS_FILE).unlink(missing_ok=True)


def started(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot (proc(5), stat field 22); None if there is none.

    The id alone does not identify a process, because the system uses ids again. The id and the start time do.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(stat.rpartition(")")[2].split()[19])


def environment(lab: Lab) -> dict[str, str]:
    """Return the variables that point any client at the lab (docs/design.md#the-lab)."""
    names = lab.names
    return {
        "VIBEDATA_ARM_ENDPOINT": lab.urls["arm"],
        "VIBEDATA_SUBSCRIPTION_ID": names.subscription_id,
        "VIBEDATA_RESOURCE_GROUP": names.resource_group,
        "VIBEDATA_PUBLISHER_SUBSCRIPTION_ID": names.publisher_subscription_id,
        "VIBEDATA_PUBLISHER_RESOURCE_GROUP": names.publisher_resource_group,
        **lab.environment,
        "VIBEDATA_LAB_CONTROL": lab.urls["control"],
        "REQUESTS_CA_BUNDLE": str(lab.ca_file),
        "SSL_CERT_FILE": str(lab.ca_file),
    }


def instance_document(lab: Lab) -> dict[str, object]:
    """Return the instance document of the lab's customer (docs/design.md#instances).

    Its id is the subscription's id, which is the default for clients that use only lab.env. Values that do not belong
    to the customer, such as the publisher's addresses, are in lab.env.
    """
    names, variables = lab.names, environment(lab)
    own = (
        "automation_account",
        "blob_endpoint",
        "table_endpoint",
        "key_vault_endpoint",
        "customer_registry",
        "logs_endpoint",
        "dcr_id",
        "uami_client_id",
        "gateway",
    )
    return {
        "id": names.subscription_id,
        "display_name": "Lab customer",
        "tenant_id": names.tenant_id,
        "subscription_id": names.subscription_id,
        "managed_resource_group": names.resource_group,
        "application_id": names.application_id,
        "location": names.location,
        "prefix": names.prefix,
        "settings": {name: variables[f"VIBEDATA_{name.upper()}"] for name in own},
        "registry_token": names.publisher_token_username,
        "ring": "",
        "release": "",
    }


def write_instance(directory: Path, document: Mapping[str, object]) -> None:
    """Write `instance.json`, which appears whole or not at all."""
    _write(directory / INSTANCE_FILE, json.dumps(document, indent=2) + "\n")


def write_environment(directory: Path, variables: Mapping[str, str]) -> Path:
    """Write `lab.env`, which appears whole or not at all and says that the lab is ready; only its owner may read it."""
    file = directory / ENVIRONMENT_FILE
    instance = str(directory.resolve() / INSTANCE_FILE)
    _write(file, export_lines({**variables, "VIBEDATA_INSTANCE": instance, "PATH": _path()}))
    return file


def export_lines(variables: Mapping[str, str]) -> str:
    """Return shell lines `export NAME=value`."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


def _path() -> str:
    """Return the PATH of this process with the commands beside its Python in front, so that examples can be pasted.

    It is a plain value like all others, so that a program can read the file without a shell.
    """
    commands = str(Path(sys.prefix) / "bin")
    others = [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder != commands]
    return os.pathsep.join([commands, *others])


def _write(file: Path, text: str) -> None:
    new = file.with_name(file.name + ".new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(text)
    new.replace(file)
