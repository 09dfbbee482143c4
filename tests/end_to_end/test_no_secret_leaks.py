"""Runs and commands leave no secret anywhere: the tests use marked secrets and search everything for them."""

import base64
import html
import json
import re
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azure.keyvault.secrets import SecretClient

from tests.end_to_end.deployed import WAIT_SECONDS, Deployed, EndedJob, Release
from tests.end_to_end.leavings import Before, everything, identity, now

SECRET = "publisher-acr-token"
# Characters that JSON, URLs, Python, HTML and base64 write in different ways.
CANARY = "canary'7\"\\/+&=<ü> %41-password"
# The three parts of a token of Entra and ACR: header, claims and signature.
TOKEN = re.compile(rb"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}")
SIGNATURE = re.compile(rb"[?&]sig=(?!\*\*\*)[\w%]{10,}")
MIN_FORM_BYTES = 8
# These services receive credentials, and so do the vaults and ARM's importImage. So the search finds credentials in the
# requests to these services.
PRESENTED = {"publisher_registry", "identity"}


def forms(secret: str) -> Iterator[bytes]:
    """Yield the forms in which a secret may occur."""
    raw = secret.encode()
    yield raw
    yield secret.encode("utf-16-le")
    for text in (json.dumps(secret), json.dumps(secret, ensure_ascii=False), json.dumps(json.dumps(secret))[3:-3]):
        yield text.strip('"').encode()
    yield repr(secret)[1:-1].encode()
    yield html.escape(secret).encode()
    for quoted in (urllib.parse.quote(secret), urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret)):
        yield quoted.encode()
        yield re.sub("%[0-9A-F]{2}", lambda found: found.group().lower(), quoted).encode()
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    for skipped in range(3):
        whole = raw[skipped : skipped + (len(raw) - skipped) // 3 * 3]
        yield base64.b64encode(whole)
        yield base64.urlsafe_b64encode(whole)


@dataclass(frozen=True)
class Vault:
    """The customer's vault, and the publisher's token in it. Other tests may have rotated that token."""

    secrets: SecretClient
    token: Mapping[str, str]

    def set_token(self, text: str) -> None:
        self.secrets.set_secret(SECRET, text)

    def with_password(self, password: str) -> str:
        return json.dumps({**self.token, "password": password})


@pytest.fixture
def vault(deployed: Deployed) -> Iterator[Vault]:
    """The customer's vault. Its secret is restored afterwards."""
    with (
        identity(deployed) as credential,
        SecretClient(deployed.lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential) as secrets,
    ):
        before = secrets.get_secret(SECRET).value
        assert before is not None
        made = Vault(secrets, json.loads(before))
        yield made
        made.set_token(before)


def assert_nowhere(deployed: Deployed, secrets: Mapping[str, str], said: Mapping[str, str], before: Before) -> None:
    """Check that no secret is in anything that the runs since `before` have left or sent, or that the commands have
    printed.
    """
    sought = {(name, form) for name, secret in secrets.items() for form in forms(secret) if len(form) >= MIN_FORM_BYTES}
    searched = 0
    for where, content in (*everything(deployed, before.jobs), *((name, text.encode()) for name, text in said.items())):
        searched += 1
        found = {name for name, form in sought if form in content}
        assert found == set(), f"{where} holds {found}"
        # A token has three parts with dots. Blobs hold programs, which have such texts, too.
        assert not TOKEN.search(content), f"{where} holds a token"
        assert not SIGNATURE.search(content), f"{where} holds a shared access signature"
    assert searched > 20  # If nothing was left, nothing could be found.
    by_name = {name: [form for other, form in sought if other == name] for name in secrets}
    hits, requests_searched = deployed.lab.requests_with(by_name, since=before.request)
    astray = [hit for hit in hits if hit["service"] not in PRESENTED and "/importImage?" not in hit["path"]]
    assert astray == []
    assert requests_searched > 100 and {hit["service"] for hit in hits} >= PRESENTED


def identity_header(deployed: Deployed) -> str:
    """Return the identity header of the only running job. It is read from the job's process."""
    folder = str(deployed.lab.directory / "jobs").encode()
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if folder in (process / "cmdline").read_bytes():
                    variables = (process / "environ").read_bytes().split(b"\0")
                    return next(line for line in variables if line.startswith(b"IDENTITY_HEADER="))[16:].decode()
            except (OSError, StopIteration):
                continue  # it has just ended, or has only just begun
        time.sleep(0.01)
    raise AssertionError("no job runs")


def run_watched(deployed: Deployed, secrets: dict[str, str], runbook: str, **parameters: object) -> EndedJob:
    """Run a job, and add its identity header to the secrets."""
    deployed.lab.fault("delay", seconds=0.5, match={"service": "table"})
    job_id = deployed.start(runbook, **parameters)
    secrets[f"identity header of {job_id}"] = identity_header(deployed)
    return deployed.wait(job_id)


def known(deployed: Deployed, vault: Vault) -> dict[str, str]:
    """Return the secrets that the lab has before a job runs."""
    return {
        "the publisher's token": vault.token["password"],
        "its credentials": "{username}:{password}".format_map(vault.token),
        "the publisher's own password": deployed.lab.env["VIBEDATA_PUBLISHER_REGISTRY_PASSWORD"],
        "the customer's own password": deployed.lab.env["VIBEDATA_CUSTOMER_REGISTRY_PASSWORD"],
        "the engineer's identity header": deployed.lab.env["IDENTITY_HEADER"],
    }


def code_of(job: EndedJob) -> Any:
    return job.result["error"] and job.result["error"]["code"]


def test_the_forms_are_found_where_they_are() -> None:
    """A search that finds nothing anywhere would prove nothing."""
    text = f"user:{CANARY}:end"
    written = [text, json.dumps(text), json.dumps(json.dumps(text)), repr(text), urllib.parse.quote_plus(text)]
    written += [base64.b64encode(text.encode()).decode(), text.encode().hex()]
    for shown in written:
        assert any(form in shown.encode() for form in forms(CANARY)), shown


def test_no_secret_is_in_what_successful_runs_leave(deployed: Deployed, vault: Vault) -> None:
    secrets, before = known(deployed, vault), now(deployed)
    release = deployed.release()
    for runbook in ("import_manifest", "import_images"):
        assert run_watched(deployed, secrets, runbook).status == "Completed"
    again = deployed.vibedata("deploy", str(release.folder))
    assert again.returncode == 0, again.stdout
    assert_nowhere(deployed, secrets, {"vibedata deploy": again.stdout + again.stderr}, before)


def test_no_secret_is_in_what_failed_runs_leave(deployed: Deployed, vault: Vault) -> None:
    secrets, before = {**known(deployed, vault), "the canary": CANARY}, now(deployed)
    release = deployed.release()
    said = {}

    # A secret that is not JSON, a secret with other fields, and a secret that the publisher refuses.
    for text, code in ((CANARY, "VD-VAULT-002"), (json.dumps({"token": CANARY}), "VD-VAULT-002")):
        vault.set_token(text)
        assert code_of(run_watched(deployed, secrets, "import_manifest")) == code
    vault.set_token(vault.with_password(CANARY))
    assert code_of(run_watched(deployed, secrets, "import_manifest")) == "VD-REGISTRY-002"
    invoked = deployed.vibedata("invoke", "import_manifest")
    assert invoked.returncode == 1
    said["vibedata invoke"] = invoked.stdout + invoked.stderr

    # The source refuses this import. The token goes to ARM.
    install_manifest(deployed, vault, release)
    vault.set_token(vault.with_password(CANARY))
    assert code_of(run_watched(deployed, secrets, "import_images")) == "VD-IMPORT-005"

    # A user's own mistake.
    wrong = {"VIBEDATA_PUBLISHER_REGISTRY_PASSWORD": CANARY}
    for output in ("text", "json"):
        pushed = deployed.vibedata("push", str(release.folder), "--output", output, environ=wrong)
        assert pushed.returncode == 1 and "VD-PUSH-005" in pushed.stdout + pushed.stderr
        said[f"vibedata push --output {output}"] = pushed.stdout + pushed.stderr
    assert_nowhere(deployed, secrets, said, before)


def test_a_secret_that_a_service_repeats_is_masked(deployed: Deployed, vault: Vault) -> None:
    secrets, before = known(deployed, vault), now(deployed)
    release = deployed.release()
    install_manifest(deployed, vault, release)
    for shown in (secrets["the publisher's token"], base64.b64encode(secrets["its credentials"].encode()).decode()):
        deployed.lab.fault("status", times=0, status=400, code=shown, match={"service": "arm", "path": "importImage"})
        deployed.lab.fault("status", times=0, status=503, match={"service": "logs"})
        refused = run_watched(deployed, secrets, "import_images")
        deployed.lab.clear_faults()
        assert code_of(refused) == "VD-IMPORT-002"
        assert "***" in refused.result["error"]["message"]
    # After the token was read, there is an answer that the suite does not know. Its traceback goes to the verbose
    # stream.
    deployed.lab.fault(
        "status",
        times=0,
        status=418,
        code=secrets["the publisher's token"],
        match={"service": "blob", "path": "comp=list"},
    )
    unexpected = run_watched(deployed, secrets, "import_manifest")
    deployed.lab.clear_faults()
    assert code_of(unexpected) == "VD-ENGINE-900", unexpected.text
    assert any(kind == "Verbose" and "Traceback" in text for kind, text in unexpected.streams)
    deployed.succeed("import_images")
    assert_nowhere(deployed, secrets, {}, before)


def install_manifest(deployed: Deployed, vault: Vault, release: Release) -> None:
    """Run import_manifest with the right token."""
    vault.set_token(json.dumps(vault.token))
    job = deployed.succeed("import_manifest")
    assert job.result["changes"][-1]["after"] == release.digest
