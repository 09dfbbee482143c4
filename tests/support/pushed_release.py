"""A release that a test builds, signs and pushes, and the content of the lab's container registry after that."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lab.machine import tools
from oci import push
from oci.build import WHEEL_CACHE, build
from oci.container_registry.writer import ContainerRegistryWriter
from oci.push import Push
from oci.release.built import read_built_release
from oci.signing.chain import read_chain
from oci.signing.notary import Signing
from oci.signing.signers import PemSigner
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.change import Result
from runbook_lib.container_registry.tokens import PublisherTokenSource
from runbook_lib.container_registry.wire import ContainerRegistryWire
from runbook_lib.engine import Work, apply_plan
from runbook_lib.errors import RunbookError
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.network.http_session import new_session
from runbook_lib.network.retry import NetworkRetryPolicy
from tests.support.certificate_maker import AUTHORITY, Made, Wanted, make, pem
from tests.support.notary_maker import fingerprint
from tests.support.running_lab import LabUnderTest
from vibedata import cli
from vibedata.commands.push import SIDE

ROOT = Path(__file__).resolve().parents[2]
VERSION = "2026.11.0"
SERVICE = "publisher_registry"
# There are many faults, and these tests are not about waits.
IMPATIENT = NetworkRetryPolicy(delay_seconds=0.01)
WRITES = ("PUT", "POST", "PATCH", "DELETE")


def signing(*issuers: Made, leaf: Made) -> Signing:
    chain = read_chain(pem(leaf, *issuers), now=SYSTEM_CLOCK.now())
    return Signing(chain=chain, signer=PemSigner(pem=leaf.key_pem, chain=chain), clock=SYSTEM_CLOCK)


ISSUER = make(AUTHORITY)
SIGNING = signing(ISSUER, leaf=make(Wanted(), issuer=ISSUER))


def make_release(folder: Path, *, signed: bool = True, **changed: object) -> Path:
    definition = {
        "version": VERSION,
        "channel": "stable",
        "valid_days": 3650,
        "images": [],
        "components": [],
        "policies": {"networkRetryPolicies": {"max_retries": 3, "delay_seconds": 2}},
        **changed,
    }
    build(
        json.dumps(definition).encode(),
        root=ROOT,
        out=folder,
        wheel_cache=ROOT / WHEEL_CACHE,
        environ={"SOURCE_DATE_EPOCH": "1793527200"},
        on_step=lambda _: None,
        signing=SIGNING if signed else None,
    )
    return folder


# These releases are not signed by the lab's own key.
TRUST = (f"--trust-root={fingerprint(ISSUER)}", f"--identity={Wanted().name}")


def vibedata(
    capsys: pytest.CaptureFixture[str], *arguments: str, trust: Sequence[str] = TRUST
) -> tuple[int, dict[str, Any]]:
    code = cli.main([*arguments, *trust, "--output", "json"])
    return code, json.loads(capsys.readouterr().out)


def writes(lab: LabUnderTest, since: int = 0) -> list[dict[str, Any]]:
    """Return the journal's writes to the data plane. A POST for a token writes nothing."""
    entries = lab.journal(service=SERVICE, since=since)
    return [entry for entry in entries if entry["method"] in WRITES and entry["path"].startswith("/v2/")]


def last_sequence(lab: LabUnderTest) -> int:
    return max((int(entry["sequence"]) for entry in lab.journal(service=SERVICE)), default=0)


def writer(lab: LabUnderTest) -> ContainerRegistryWriter:
    wire = ContainerRegistryWire(
        login_server=lab.env["VIBEDATA_PUBLISHER_REGISTRY"],
        side=SIDE,
        session=new_session(),
        policy=lambda: IMPATIENT,
        clock=SYSTEM_CLOCK,
    )
    source = PublisherTokenSource(
        wire=wire,
        username=lab.env["VIBEDATA_PUBLISHER_REGISTRY_USERNAME"],
        password=lab.env["VIBEDATA_PUBLISHER_REGISTRY_PASSWORD"],
        clock=SYSTEM_CLOCK,
    )
    return ContainerRegistryWriter(wire=wire, source=source, clock=SYSTEM_CLOCK)


def named(error: BaseException) -> RunbookError:
    found = as_runbook_error(error)
    assert found is not None, error
    return found


def push_now(lab: LabUnderTest, release: Path) -> list[Result]:
    """Push in this process, without the waits between attempts."""
    return push_with(Push(built=read_built_release(release), writer=writer(lab)))


def push_with(sent: Push) -> list[Result]:
    return apply_plan(
        push.plan(sent.observe()),
        Work(
            actions=sent.actions(),
            as_runbook_error=named,
            retry_policy=lambda: IMPATIENT,
            clock=SYSTEM_CLOCK,
        ),
        on_result=lambda _: None,
        on_stage_end=lambda: None,
        on_progress=lambda _: None,
        max_parallel=push.MAX_PARALLEL,
    )


def skopeo(lab: LabUnderTest, repository: str, tag: str) -> bytes:
    """Return the manifest's bytes, read with a program that is not ours."""
    tool = tools.skopeo()
    credentials = [lab.env[f"VIBEDATA_PUBLISHER_REGISTRY_{part}"] for part in ("USERNAME", "PASSWORD")]
    reference = f"docker://{lab.env['VIBEDATA_PUBLISHER_REGISTRY']}/{repository}:{tag}"
    command = [*tool.command, "inspect", "--raw", "--creds", ":".join(credentials), reference]
    return subprocess.run(
        command, env={**os.environ, **tool.environ, **lab.env}, check=True, capture_output=True, timeout=60
    ).stdout


def is_whole(lab: LabUnderTest, release: Path) -> bool:
    """Tell whether the container registry has the whole release. Another client reads the manifests."""
    built = read_built_release(release)
    for artifact in built.artifacts:
        if skopeo(lab, artifact.repository, artifact.tag) != artifact.manifest:
            return False
    sent = Push(built=built, writer=writer(lab))
    return not push.plan(sent.observe()).changes


def outcomes(results: Sequence[Result]) -> set[str]:
    return {result.outcome for result in results}
