"""Content links and package imports of the Automation stand-in: fetch, check, unpack.

The states are azure-mgmt-automation's PackageProvisioningState. A client sees the states between Creating and the end
only if it looks in time. `POST /packages {"name": "cffi", "state": ...}` of the control API makes the next import of a
package fail (`failed`), stay in its first state for ever (`stuck`: Azure/bicep#12136), or succeed without giving jobs
any of its files (`hollow`). The import after that one is normal.
"""

import asyncio
import hashlib
import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import aiohttp
from yarl import URL

from lab.automation.account import Package
from lab.automation.python_environment import EnvironmentFailedError, PythonEnvironments
from lab.automation.wheels import PACKAGE_LIMIT_BYTES, WheelRefusedError
from lab.front.faults import InvalidFaultError
from lab.shared import Lab

LOGGER = logging.getLogger("lab")

FETCH_SECONDS = 300.0
BLOCK_BYTES = 256 * 1024
CLIENT = "AzureAutomation"
PLANS = ("stuck", "failed", "hollow")
PLANNED_FAILURE = "Error importing the package. Import failed with the following error: the package is not valid."


class FetchFailedError(Exception):
    """The content of a content link cannot be fetched, or it does not have the given hash or size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentLink:
    """Where a package's or runbook's content is; `sha256` in hex, or None if it need not be checked."""

    uri: str
    sha256: str | None
    version: str | None

    @property
    def file_name(self) -> str:
        """Return the last part of the address's path: a wheel's file name says which wheel it is."""
        return unquote(PurePosixPath(urlsplit(self.uri).path).name)


class Imports:
    """The package imports under way."""

    def __init__(self, *, lab: Lab, environments: PythonEnvironments) -> None:
        """Import into `environments`; a reset or the end of the lab ends the imports under way."""
        self._lab = lab
        self._environments = environments
        self._tasks: set[asyncio.Task[None]] = set()
        self._planned: dict[str, str] = {}  # by lower-cased package name
        lab.controls["POST", "/packages"] = self._plan
        lab.on_reset.insert(0, self.clear)
        lab.on_close.append(self.clear)

    def start(self, package: Package, link: ContentLink) -> None:
        """Import the content of `link` into `package`. The package's state shows the progress."""
        planned = self._planned.pop(package.name.lower(), None)
        if planned == "stuck":
            return
        if planned == "failed":
            package.state, package.error = "Failed", PLANNED_FAILURE
            return
        task = asyncio.create_task(self._import(package, link, hollow=planned == "hollow"))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def clear(self) -> None:
        """End the imports under way."""
        self._planned.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _plan(self, body: object) -> object:
        if not isinstance(body, dict) or set(body) != {"name", "state"} or body["state"] not in PLANS:
            raise InvalidFaultError(f"a package takes name and state, one of {', '.join(PLANS)}")
        self._planned[str(body["name"]).lower()] = str(body["state"])
        return dict(self._planned)

    async def _import(self, package: Package, link: ContentLink, *, hollow: bool) -> None:
        package.state = "RunningImportModuleRunbook"
        await self._lab.gate.operation("packageImport")
        directory = self._lab.dir / "downloads"
        directory.mkdir(parents=True, exist_ok=True)
        try:
            with tempfile.TemporaryDirectory(dir=directory) as temporary:
                content = Path(temporary) / "package.whl"
                await fetch(self._lab, link, content, limit_bytes=PACKAGE_LIMIT_BYTES)
                package.state = "ContentDownloaded"
                wheel = await self._environments.add_wheel(link.file_name, content)
        except (FetchFailedError, WheelRefusedError) as error:
            package.state, package.error = "Failed", str(error)
        except (EnvironmentFailedError, OSError) as error:
            LOGGER.exception("package %s could not be imported", package.name)
            package.state, package.error = "Failed", f"The lab could not import the package: {error}"
        else:
            package.wheel = None if hollow else wheel
            package.version, package.size_bytes = wheel.version, wheel.size_bytes
            package.state = "Succeeded"


async def fetch(lab: Lab, link: ContentLink, content: Path, *, limit_bytes: int) -> None:
    """Write the content of `link` to the file `content`. FetchFailedError says why it cannot be fetched or is wrong."""
    received, size = hashlib.sha256(), 0
    uri = URL(link.uri, encoded=True)  # The address may hold a signature, which must not be encoded again.
    timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
    try:
        async with lab.upstream.get(uri, headers={"User-Agent": CLIENT}, timeout=timeout) as answer:
            if answer.status != 200:
                raise FetchFailedError(f"The content link answered {answer.status} {answer.reason}.")
            with content.open("wb") as file:
                async for block in answer.content.iter_chunked(BLOCK_BYTES):
                    size += len(block)
                    if size > limit_bytes:
                        raise FetchFailedError(f"The content is larger than {limit_bytes} bytes.")
                    received.update(block)
                    file.write(block)
    except (aiohttp.ClientError, asyncio.TimeoutError) as error:
        raise FetchFailedError(f"The content link could not be read: {error}") from error
    if link.sha256 is not None and received.hexdigest() != link.sha256:
        raise FetchFailedError(f"The content's SHA-256 is {received.hexdigest()}, not {link.sha256} as given.")


def content_link(fields: Mapping[str, object]) -> ContentLink:
    """Read a `contentLink`, whose fields are known; ValueError says what is wrong."""
    uri, given, version = fields.get("uri"), fields.get("contentHash"), fields.get("version")
    if not isinstance(uri, str) or not uri.startswith("https://"):
        raise ValueError("contentLink.uri must be an https address.")
    if version is not None and not isinstance(version, str):
        raise ValueError("contentLink.version must be a string.")
    if given is None:
        return ContentLink(uri=uri, sha256=None, version=version)
    if not isinstance(given, dict) or set(given) != {"algorithm", "value"}:
        raise ValueError("contentLink.contentHash takes algorithm and value.")
    if str(given["algorithm"]).upper() not in ("SHA256", "SHA-256"):
        raise ValueError("contentLink.contentHash.algorithm must be SHA256.")
    return ContentLink(uri=uri, sha256=str(given["value"]).lower(), version=version)
