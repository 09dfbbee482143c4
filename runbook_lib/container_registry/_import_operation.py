"""ARM's importImage: one POST, and a long-running operation that says the reason of a failure.

This module needs azure.core, so it is loaded only for an import.
"""

import re
from typing import TYPE_CHECKING, Any, cast

from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError, ServiceResponseError
from azure.core.polling import PollingMethod
from azure.core.rest import HttpRequest

from runbook_lib.azure.clients import AzureClients
from runbook_lib.azure.settings import Settings
from runbook_lib.basics import addresses
from runbook_lib.basics.clock import Clock
from runbook_lib.basics.redaction import whole_words
from runbook_lib.basics.service_words import words_of_body
from runbook_lib.errors import RunbookError, container_registry
from runbook_lib.network.retry import retry_after_seconds
from runbook_lib.vault.publisher_token import PublisherToken

if TYPE_CHECKING:
    from azure.core import PipelineClient
    from azure.core.rest import HttpResponse

# The seconds between two requests to an operation that does not say when to ask. They were observed
# (docs/azure-facts.md#importing-images).
ASK_SECONDS = 10.0
# How much of ARM's own words an error shows, without known parts. If there is more, the middle is cut: the reason is at
# the beginning or at the end.
MAX_WORDS = 1000

# The meaning of the source's codes: those of the OCI distribution specification ("Error Codes"), and the statuses that
# ARM puts before the source's body ("Invalid message Unauthorized Unauthorized {...}", Azure/acr#181, #457, #632). A
# failure that has none of them is VD-IMPORT-002.
_CODES = {
    "DIGEST_INVALID": container_registry.IMAGE_DIGEST_MISMATCH,
    "MANIFEST_UNKNOWN": container_registry.IMAGE_MISSING_AT_SOURCE,
    "MANIFEST_BLOB_UNKNOWN": container_registry.IMAGE_MISSING_AT_SOURCE,
    "BLOB_UNKNOWN": container_registry.IMAGE_MISSING_AT_SOURCE,
    "NAME_UNKNOWN": container_registry.IMAGE_MISSING_AT_SOURCE,
    "UNAUTHORIZED": container_registry.SOURCE_REFUSES_IMPORT,
    "DENIED": container_registry.SOURCE_REFUSES_IMPORT,
}
_STATUSES = {
    "NotFound": container_registry.IMAGE_MISSING_AT_SOURCE,
    "Unauthorized": container_registry.SOURCE_REFUSES_IMPORT,
    "Forbidden": container_registry.SOURCE_REFUSES_IMPORT,
}
# A code in a body, or at the beginning of a sentence. A part of a name must not match: a tag or a resource group may
# have the name DENIED.
_CODE = re.compile(
    r"""['"]code\\?['"]\s*:\s*\\?['"](?P<quoted>[A-Z_]+)\\?['"]|(?:^|(?<=[.:;] ))(?P<bare>[A-Z]+(?:_[A-Z]+)*):(?= )"""
)
_STATUS = re.compile(r"\bInvalid message (?P<status>[A-Za-z]+) (?P=status)\b")
# The names of the operation and of the container registry. Both are known, and may be longer than the rest.
_KNOWN = re.compile(
    r"(Operation registries-[0-9a-f-]+ failed\.\s*)?(Resource )?/subscriptions/[^/\s]+/resourceGroups/[^/]+"
    r"/providers/Microsoft\.ContainerRegistry/registries/[A-Za-z0-9]+\s*",
    re.IGNORECASE,
)


class ImportOperations:
    """Starts imports from the publisher's container registry into the customer's. Many threads may use it.

    `token` reads the publisher's container registry.
    """

    def __init__(
        self,
        *,
        clients: AzureClients,
        settings: Settings,
        token: PublisherToken,
        clock: Clock,
    ) -> None:
        self._clients = clients
        self._settings = settings
        self._token = token
        self._clock = clock

    def start(self, *, source_image: str, target_tag: str = "", target_repository: str = "") -> "ImportOperation":
        """Ask for an import of `source_image` (repository@digest).

        The caller gives either `target_tag` (repository:tag), which is then moved by force, or `target_repository` for
        an import without a tag.

        If the answer was lost, or the server failed, nobody knows whether the request was carried out. Then the
        returned operation is over already, but its image may still arrive. Raises RunbookError as `failure` says, and
        azure.core's errors.
        """
        image = target_tag or source_image
        operation = ImportOperation(image=image, arm_endpoint=self._settings.arm_endpoint, clock=self._clock)
        credentials = {"username": self._token.username, "password": self._token.password}
        try:
            self._clients.container_registry_management.registries.begin_import_image(
                self._settings.resource_group,
                self._settings.customer_registry_name,
                {
                    "source": {
                        "registryUri": self._settings.publisher_registry,
                        "credentials": credentials,
                        "sourceImage": source_image,
                    },
                    "targetTags": [target_tag] if target_tag else [],
                    "untaggedTargetRepositories": [target_repository] if target_repository else [],
                    "mode": "Force",
                },
                polling=_HandOver(operation),
            )
        except ServiceResponseError as error:
            operation.end("the answer to the request was lost", error)
        except HttpResponseError as error:
            if error.response is None or error.status_code == 429:
                raise
            if error.status_code is None or error.status_code == 408 or error.status_code >= 500:
                operation.end("the request failed", error)
            else:
                raise _refused(error, image) from error
        return operation


class ImportOperation:
    """One import, for use by one thread.

    Attributes:
        image: The image that it imports, for errors.
        over_since: When the operation ended, in monotonic seconds, None while it runs.
        story: What the operation said last, for an error.
        cause: Why nobody knows whether it began.
    """

    def __init__(self, *, image: str, arm_endpoint: str, clock: Clock) -> None:
        self.over_since: float | None = None
        self.story = "the operation is under way"
        self.cause: AzureError | None = None
        self.image = image
        self._arm = addresses.read(arm_endpoint)
        self._clock = clock
        self._client: PipelineClient[Any, Any] | None = None
        self._location = ""
        self._ask_at = 0.0

    def ask(self) -> None:
        """Ask the operation how it goes, if it is time to.

        If ARM does not answer, or is at fault, this asks again later: that says nothing about the import. Raises
        RunbookError as `failure` says, and azure.core's errors.
        """
        if self.over_since is not None or self._client is None or self._clock.monotonic() < self._ask_at:
            return
        try:
            response = self._client.send_request(HttpRequest("GET", self._location))
        except (ServiceRequestError, ServiceResponseError):
            self._ask_at = self._clock.monotonic() + ASK_SECONDS
        except HttpResponseError as error:
            # A gateway's page: the client refuses it.
            if error.response is None or not _passes(error.response):
                raise
            self.take(self._client, cast("HttpResponse", error.response))
        else:
            self.take(self._client, response)

    def take(self, client: "PipelineClient[Any, Any]", response: "HttpResponse") -> None:
        """Handle ARM's answer: after 202 the operation goes on, and another success ends it."""
        if response.status_code == 202 or _passes(response):
            after = retry_after_seconds(response.headers, self._clock.now())
            self._ask_at = self._clock.monotonic() + (ASK_SECONDS if after is None else after)
            self._location = self._led_to(response.headers.get("Location", self._location))
            # Requests go only to ARM's own address, because they carry ARM's token.
            self._client = client if self._location else None
        elif response.status_code < 300:
            self.end("the operation succeeded")
        else:
            code, message = _error_of(response)
            refusal = _at_target(response.status_code, code, message, self.image)
            raise refusal or failure(code, message, self.image)

    def _led_to(self, location: str) -> str:
        """Return the address in a Location, "" if it is not at ARM."""
        try:
            there = addresses.follow(self._arm, location)
        except addresses.NotAnAddressError:
            return ""
        return str(there) if there.origin == self._arm.origin else ""

    def end(self, story: str, cause: AzureError | None = None) -> None:
        """Note that the operation has ended."""
        self.story = story
        self.cause = cause
        self.over_since = self._clock.monotonic()


class _HandOver(PollingMethod[None]):
    """Replaces the SDK's own poller, which only waits for the operation. It passes on the answer to the POST."""

    def __init__(self, operation: ImportOperation) -> None:
        self._operation = operation

    def initialize(self, client: Any, initial_response: Any, deserialization_callback: Any) -> None:  # noqa: ARG002
        self._operation.take(client, initial_response.http_response)

    def run(self) -> None:
        """Do nothing: the poller finds it finished."""

    def status(self) -> str:
        return "Succeeded"

    def finished(self) -> bool:
        return True

    def resource(self) -> None:
        return None


def failure(code: str, message: str, image: str) -> RunbookError:
    """Return the error for a failed import's code and message. The source's first code decides. Pure."""
    codes = [_CODES.get(found["quoted"] or found["bare"]) for found in _CODE.finditer(message)]
    statuses = [_STATUSES.get(found["status"]) for found in _STATUS.finditer(message)]
    entry = next((each for each in (_CODES.get(code), *codes, *statuses) if each), container_registry.IMPORT_FAILED)
    return entry.error(reason(code, message), target=image)


def reason(code: str, message: str) -> str:
    """Return ARM's code and message for an error, without known parts, in at most MAX_WORDS. Pure."""
    words = ": ".join(part for part in (code, _KNOWN.sub("", message).strip()) if part)
    if len(words) <= MAX_WORDS:
        return words
    # Cut between words: a secret has no space, and the redactor would not recognize half of one.
    half = MAX_WORDS // 2
    return f"{words[:half].rpartition(' ')[0]} [...] {words[-half:].partition(' ')[2]}"


def _passes(response: Any) -> bool:
    """Return whether an answer is ARM's own trouble, which passes."""
    return bool(response.status_code == 429 or response.status_code >= 500)


def _refused(error: HttpResponseError, image: str) -> RunbookError:
    """Return the error for a POST that was refused.

    401 and 403 are about vibedata-uami, 404 is about the customer's container registry itself, and 409 about another
    operation on it. Every other status is about the source.
    """
    code, message = _error_of(cast("HttpResponse", error.response))
    return _at_target(error.status_code, code, message, image) or failure(code, message, image)


def _at_target(status: int | None, code: str, message: str, image: str) -> RunbookError | None:
    """Return the error for a status that is not about the source, None if it may be about the source."""
    entries = {
        401: container_registry.IDENTITY_REFUSED,
        403: container_registry.IDENTITY_REFUSED,
        404: container_registry.IMPORT_FAILED,
        409: container_registry.IMPORT_REFUSED_FOR_NOW,
    }
    entry = entries.get(status or 0)
    return None if entry is None else entry.error(reason(code, message), target=image)


def _error_of(response: "HttpResponse") -> tuple[str, str]:
    """Return code and message of ARM's error body, inner codes before the message; of no such body, all that it has."""
    said = words_of_body(response.content)
    if not said.codes:
        return f"status {response.status_code}", whole_words(response.content.decode(errors="replace"), MAX_WORDS)
    return said.codes[0], ": ".join(part for part in (*said.codes[1:], said.message) if part)
