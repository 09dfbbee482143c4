"""What the Automation tests share: the official client, wheels that a test makes, and the steps that run a job."""

import base64
import hashlib
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum
from importlib import metadata
from io import BytesIO
from typing import TypeVar

from azure.identity import ManagedIdentityCredential
from azure.mgmt.automation import AutomationClient
from azure.mgmt.automation import models as m
from azure.storage.blob import BlobSasPermissions, BlobServiceClient, generate_blob_sas

from tests.support.running_lab import LabUnderTest

ENVIRONMENT = "vibedata-python310"
RUNBOOK = "probe"
CONTAINER = "runbook-packages"
WAIT_SECONDS = 180.0
T = TypeVar("T")
TERMINAL = {"Completed", "Failed", "Stopped", "Suspended"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Automation:
    """The account, through azure-mgmt-automation."""

    lab: LabUnderTest
    client: AutomationClient
    group: str
    account: str

    @property
    def at(self) -> tuple[str, str]:
        """Resource group and account, the first two arguments of every call."""
        return self.group, self.account

    def environment(self, name: str = ENVIRONMENT) -> None:
        """Create the runtime environment."""
        runtime = m.RuntimeProperties(language="Python", version="3.10")
        body = m.RuntimeEnvironment(
            location="westeurope", properties=m.RuntimeEnvironmentProperties(runtime=runtime, default_packages={})
        )
        self.client.runtime_environments.create(*self.at, name, body)

    def package(self, file_name: str, content: bytes, *, sha256: str | None = None, name: str = "") -> m.Package:
        """Import a wheel and return the package when its import has ended."""
        link = m.ContentLink(uri=upload(self.lab, file_name, content))
        if sha256 is not None:
            link.content_hash = m.ContentHash(algorithm="SHA256", value=sha256)
        name = name or file_name.partition("-")[0]
        body = m.PackageCreateOrUpdateParameters(properties=m.PackageCreateOrUpdateProperties(content_link=link))
        created = self.client.package.create_or_update(*self.at, ENVIRONMENT, name, body)
        assert created.properties is not None
        assert created.properties.provisioning_state == "Creating"
        return wait_for(
            lambda: self.client.package.get(*self.at, ENVIRONMENT, name),
            lambda package: state(package) in ("Succeeded", "Failed"),
        )

    def publish(
        self, text: str, *, environment: str | None = ENVIRONMENT, log_verbose: bool = False, name: str = RUNBOOK
    ) -> None:
        """Create the runbook, replace its draft and publish it."""
        properties = m.RunbookCreateOrUpdateProperties(
            runbook_type="Python", runtime_environment=environment, draft=m.RunbookDraft(), log_verbose=log_verbose
        )
        body = m.RunbookCreateOrUpdateParameters(name=name, location="westeurope", properties=properties)
        self.client.runbook.create_or_update(*self.at, name, body)
        self.client.runbook_draft.begin_replace_content(*self.at, name, text).result()
        self.client.runbook.begin_publish(*self.at, name).result()

    def start(self, parameters: Mapping[str, str] | None = None, *, name: str = RUNBOOK, job: str = "") -> str:
        """Start a job and return its name."""
        job = job or str(uuid.uuid4())
        properties = m.JobCreateProperties(
            runbook=m.RunbookAssociationProperty(name=name), parameters=dict(parameters or {}), run_on=""
        )
        self.client.job.create(*self.at, job, m.JobCreateParameters(properties=properties))
        return job

    def status(self, job: str) -> str:
        """Return a job's status."""
        return text_of(self.ended(job, wait=False).status)

    def ended(self, job: str, *, wait: bool = True) -> m.JobProperties:
        """Return a job's properties. Wait until the job has ended, unless `wait` is false."""
        found = wait_for(
            lambda: self.client.job.get(*self.at, job),
            lambda got: not wait or (got.properties is not None and got.properties.status in TERMINAL),
        )
        assert found.properties is not None
        return found.properties

    def run(
        self, text: str, parameters: Mapping[str, str] | None = None, *, log_verbose: bool = False
    ) -> tuple[str, m.JobProperties]:
        """Publish a runbook, run it to its end, and return the job's name and properties."""
        self.publish(text, log_verbose=log_verbose)
        job = self.start(parameters)
        return job, self.ended(job)

    def output(self, job: str) -> str:
        """Return a job's output."""
        return self.client.job.get_output(*self.at, job)

    def record(self, job: str) -> Mapping[str, object]:
        """Return a job's record of the control API."""
        return next(record for record in self.lab.control("GET", "/jobs")["jobs"] if record["id"] == job)


@contextmanager
def automation(lab: LabUnderTest) -> Iterator[Automation]:
    """Open the client."""
    arm = lab.env["VIBEDATA_ARM_ENDPOINT"]
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        AutomationClient(
            credential,
            lab.env["VIBEDATA_SUBSCRIPTION_ID"],
            base_url=arm,
            credential_scopes=["https://management.azure.com/.default"],
            retry_total=0,
        ) as client,
    ):
        yield Automation(
            lab=lab,
            client=client,
            group=lab.env["VIBEDATA_RESOURCE_GROUP"],
            account=lab.env["VIBEDATA_AUTOMATION_ACCOUNT"],
        )


def wait_for(look: Callable[[], T], good: Callable[[T], bool]) -> T:
    """Call `look` until its result is good, and return that result."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        seen = look()
        if good(seen):
            return seen
        assert time.monotonic() < deadline, seen
        time.sleep(0.1)


def state(package: m.Package) -> str:
    """Return a package's provisioning state."""
    return text_of(package.properties.provisioning_state) if package.properties else ""


def text_of(value: object) -> str:
    """Return a value as text. The models hold an enumeration for a known value, and a string for any other."""
    return str(value.value if isinstance(value, Enum) else value)


def upload(lab: LabUnderTest, file_name: str, content: bytes) -> str:
    """Put a file into blob storage, and return an address of it that itself gives the right to read it."""
    endpoint = lab.env["VIBEDATA_BLOB_ENDPOINT"]
    now = datetime.now(timezone.utc)
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        BlobServiceClient(endpoint, credential=credential) as service,
    ):
        service.get_blob_client(CONTAINER, file_name).upload_blob(content, overwrite=True)
        key = service.get_user_delegation_key(now - timedelta(minutes=5), now + timedelta(hours=1))
        signature = generate_blob_sas(
            account_name=endpoint.rpartition("/")[2],
            container_name=CONTAINER,
            blob_name=file_name,
            user_delegation_key=key,
            permission=BlobSasPermissions(read=True),
            expiry=now + timedelta(hours=1),
        )
    return f"{endpoint}/{CONTAINER}/{file_name}?{signature}"


def wheel(name: str, files: Mapping[str, str], *, version: str = "1.0", tag: str = "py3-none-any") -> tuple[str, bytes]:
    """Return file name and content of a wheel that holds `files`."""
    information = f"{name}-{version}.dist-info"
    everything = {
        **files,
        f"{information}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{information}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = [f"{path},sha256={_record_hash(text)},{len(text.encode())}" for path, text in everything.items()]
    everything[f"{information}/RECORD"] = "\n".join([*record, f"{information}/RECORD,,", ""])
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path, text in everything.items():
            archive.writestr(path, text)
    return f"{name}-{version}-{tag}.whl", content.getvalue()


def installed_wheel(name: str, tag: str) -> tuple[str, bytes]:
    """Return file name and content of a wheel made of a package that is installed here."""
    found = metadata.distribution(name)
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for file in found.files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                archive.writestr(str(file), file.read_binary())
    return f"{name}-{found.version}-{tag}.whl", content.getvalue()


def _record_hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
