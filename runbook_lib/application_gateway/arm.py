"""Read and write one resource of the gateway in ARM. A write replaces the whole resource, but keeps others' changes.

A PUT replaces the whole resource and takes minutes. A second PUT cancels the first one, which then ends with the code
CanceledAndSupersededDueToAnotherOperation. So a write first waits until no operation runs. Then it reads the resource,
changes it, writes it under its ETag, and follows the operation to its end. If another writer was faster, it begins
again after a pause. If ARM shows no operation, the resource's state shows the result: so it is with a firewall policy.
It is not confirmed that Azure checks the ETag here. If Azure does not, a change by somebody else can be lost,
but only in the short time between the read and the write.

Sources: Azure/azure-cli#21156, Azure/azure-rest-api-specs#6789; learn azure-resource-manager/management/
async-operations.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from runbook_lib.application_gateway.gateway import FAILED, state_of
from runbook_lib.application_gateway.listener import API_VERSION
from runbook_lib.azure.settings import Settings
from runbook_lib.basics import addresses, strict_json
from runbook_lib.basics.clock import Clock
from runbook_lib.basics.looks import pause_between_looks
from runbook_lib.basics.redaction import whole_words
from runbook_lib.basics.service_words import words_of_body
from runbook_lib.errors import azure
from runbook_lib.network.retry import retry_after_seconds

if TYPE_CHECKING:
    from azure.core.rest import HttpResponse
    from azure.mgmt.resource.resources import ResourceManagementClient

# How long an operation of this run or of another writer may take. The change of a gateway takes minutes. A new gateway
# takes 20 minutes (learn application-gateway/application-gateway-faq).
OPERATION_SECONDS = 1800.0
# The time between two looks, if ARM does not say how long to wait.
LEAST_LOOK_SECONDS, MOST_LOOK_SECONDS = 1.0, 10.0
# How often other writers may be faster than this one.
MAX_ROUNDS = 5
# The pause before the second round. Each further pause is twice as long, so all pauses take 75 seconds.
FIRST_PAUSE_SECONDS = 5.0
MAX_WORDS = 600
_SETTLED = ("", "succeeded", "failed", "canceled")
SUPERSEDED = "CanceledAndSupersededDueToAnotherOperation"
# If ARM refuses a write with one of these codes, another operation runs (learn common-deployment-errors, and reports).
_IN_THE_WAY = frozenset(
    {SUPERSEDED, "AnotherOperationInProgress", "OperationPreempted", "RetryableError", "ConcurrentOperation"}
)
_MAX_DEPTH = 5

# How a write ended: done; another write was faster, or ended it; nobody says it, so the resource's state must show it.
_End = Literal["done", "overtaken", "unclear"]
Edit = Callable[[Mapping[str, Any]], Mapping[str, Any] | None]


class NetworkResource:
    """A resource of provider Microsoft.Network in the managed resource group.

    Raises:
        RunbookError: VD-GATEWAY-001 if the resource does not exist, VD-ARM-001 if ARM's answer cannot be read.
        azure.core's errors: ARM cannot be reached, fails, or refuses the login.
    """

    def __init__(
        self, *, client: "ResourceManagementClient", settings: Settings, clock: Clock, type: str, name: str
    ) -> None:
        """Use the resource of this type and name. `client` asks ARM."""
        self._client = client
        self._clock = clock
        self._arm = addresses.read(settings.arm_endpoint)
        self.name = name
        path = f"{settings.resource_group_id}/providers/{type}/{name}"
        self._path = f"{quote(path, safe='/()')}?api-version={API_VERSION}"
        # Whether an operation of this run has succeeded.
        self.was_written = False

    def read(self) -> Mapping[str, Any]:
        """Return the resource as ARM shows it now."""
        response = self._send("GET", self._path)
        if response.status_code == 404:
            raise azure.GATEWAY_NOT_THERE.error(target=self.name)
        response.raise_for_status()
        found = _object(response)
        if found is None or not isinstance(found.get("properties"), Mapping):
            raise azure.ARM_ANSWER_UNCLEAR.error("it is no resource", target=self.name)
        return found

    def settled(self) -> Mapping[str, Any]:
        """Wait until no operation changes the resource, and return it.

        Raises:
            RunbookError: VD-GATEWAY-009 if an operation takes too long, and the errors of `read`.
        """
        started = self._clock.monotonic()
        while state_of(found := self.read()) not in _SETTLED:
            self._pause(started, f"its state is {state_of(found)}")
        return found

    def write(self, edit: Edit) -> None:
        """Change the resource.

        Args:
            edit: Returns the changed resource, None if there is nothing to change.

        Raises:
            RunbookError: VD-GATEWAY-009 if an operation takes too long, VD-GATEWAY-010 if others were faster each time,
                VD-GATEWAY-011 if Azure could not make the change, and the errors of `read`.
        """
        end: _End = "done"
        for number in range(MAX_ROUNDS):
            if end == "overtaken":
                self._clock.sleep(FIRST_PAUSE_SECONDS * 2 ** (number - 1))
            found = self.settled()
            if end == "unclear" and state_of(found) == FAILED:
                raise azure.GATEWAY_CHANGE_FAILED.error("its state is Failed after this run's write", target=self.name)
            wanted = edit(found)
            if wanted is None:
                return
            end = self._put(wanted, str(found.get("etag") or ""))
            if end == "done":
                self.was_written = True
                return
        raise azure.GATEWAY_OVERTAKEN.error(f"{MAX_ROUNDS} times", target=self.name)

    def _put(self, resource: Mapping[str, Any], etag: str) -> _End:
        """Write the resource, and wait for the end of its operation."""
        response = self._send("PUT", self._path, resource, {"If-Match": etag} if etag else {})
        if response.status_code == 412 or (response.status_code == 409 and _IN_THE_WAY & _codes(_object(response))):
            return "overtaken"
        if response.status_code in (400, 409, 422):
            raise self._failed(response)
        response.raise_for_status()
        return self._end_of(response)

    def _end_of(self, response: "HttpResponse") -> _End:
        """Follow a write's operation to its end."""
        address = response.headers.get("Azure-AsyncOperation", "")
        started = self._clock.monotonic()
        while address:
            self._pause(started, "this run's change is under way", after=response)
            response = self._send("GET", self._at_arm(address))
            if response.status_code in (403, 404):
                return "unclear"
            response.raise_for_status()
            found = _object(response) or {}
            state = str(found.get("status", "")).lower()
            if state == "succeeded":
                return "done"
            if state in ("failed", "canceled"):
                if SUPERSEDED in _codes(found):
                    return "overtaken"
                raise self._failed(response)
        return "unclear"

    def _at_arm(self, link: str) -> str:
        """Return an operation's address. A request has the token for ARM, so it may go only to ARM."""
        try:
            there = addresses.follow(self._arm, link)
        except addresses.NotAnAddressError as error:
            raise azure.ARM_ANSWER_UNCLEAR.error(f"the operation has no address: {error}", target=self.name) from error
        if there.origin != self._arm.origin:
            raise azure.ARM_ANSWER_UNCLEAR.error(f"the operation is at {there.origin}", target=self.name)
        return str(there)

    def _pause(self, started: float, what: str, *, after: "HttpResponse | None" = None) -> None:
        waited = self._clock.monotonic() - started
        if waited > OPERATION_SECONDS:
            raise azure.GATEWAY_BUSY.error(what, target=self.name)
        asked = None if after is None else retry_after_seconds(after.headers, self._clock.now())
        pause = pause_between_looks(waited, least=LEAST_LOOK_SECONDS, most=MOST_LOOK_SECONDS)
        # ARM may ask for a pause of 0 seconds.
        self._clock.sleep(pause if asked is None else min(max(asked, LEAST_LOOK_SECONDS), OPERATION_SECONDS))

    def _failed(self, response: "HttpResponse") -> Exception:
        said = words_of_body(response.content)
        told = " ".join(dict.fromkeys((*said.codes, *sorted(_codes(_object(response))))))
        words = ": ".join(part for part in (told, said.message) if part)
        return azure.GATEWAY_CHANGE_FAILED.error(whole_words(words, MAX_WORDS), target=self.name)

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] = {}
    ) -> "HttpResponse":
        from azure.core.rest import HttpRequest

        return self._client.send_request(HttpRequest(method, path, json=body, headers=dict(headers)))


def _object(response: "HttpResponse") -> Mapping[str, Any] | None:
    """Return the JSON object in an answer, None if there is none."""
    try:
        found = strict_json.loads(response.content)
    except strict_json.NotStrictJsonError:
        return None
    return found if isinstance(found, dict) else None


def _codes(found: Mapping[str, Any] | None) -> frozenset[str]:
    """Return the codes of an error and of its details. A detail has the code of a superseded operation."""
    codes: set[str] = set()
    errors_left: list[object] = [(found or {}).get("error", found)]
    for _ in range(_MAX_DEPTH):
        nested: list[object] = []
        for each in errors_left:
            if isinstance(each, Mapping):
                codes |= {code for code in (each.get("code"),) if isinstance(code, str)}
                details = each.get("details")
                nested += details if isinstance(details, list) else []
        errors_left = nested
    return frozenset(codes)
