"""Read ARM requests, and refuse them as ARM does. The handlers of every provider use this."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from aiohttp import web

from lab.front import answers
from lab.front.request_copies import body_parts

API_VERSION_PATTERN = re.compile(r"\d{4}-\d{2}-\d{2}(-preview|-alpha|-beta|-rc|-privatepreview)?")
# The largest body that ARM takes ("the maximum request size is 4 MB", learn azure-subscription-service-limits,
# templates).
MAX_BODY_BYTES = 4 * 1024 * 1024


class ArmRefusal(Exception):  # noqa: N818 - an answer to the client, not a fault of the lab
    """A handler or a long-running operation raises this; the client gets ARM's error body."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        headers: Mapping[str, str] | None = None,
        details: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Keep the HTTP status, the code, one sentence, headers such as Retry-After, and more codes with sentences."""
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message = status, code, message
        self.headers = dict(headers or {})
        self.details = [{"code": one, "message": text} for one, text in details]

    def answer(self) -> web.Response:
        """Return the answer to the client."""
        return answers.arm_error(self.status, self.code, self.message, self.headers, self.details)

    def as_error(self) -> dict[str, Any]:
        """Return the refusal in the form of an operation's status."""
        more = {"details": self.details} if self.details else {}
        return {"code": self.code, "message": self.message, **more}


def only_fields(value: object, known: Collection[str], where: str = "the request") -> dict[str, Any]:
    """Return `value` if it is a JSON object with only `known` fields; otherwise 400 InvalidRequestContent."""
    if not isinstance(value, dict):
        raise ArmRefusal(400, "InvalidRequestContent", f"The request content was invalid: {where} is not an object.")
    for name in value:
        if name not in known:
            message = f"The request content was invalid and could not be deserialized: 'Could not find member '{name}'"
            raise ArmRefusal(400, "InvalidRequestContent", f"{message} on {where}; it has {', '.join(sorted(known))}'.")
    return value


async def json_body(request: web.Request, known: Collection[str]) -> dict[str, Any]:
    """Return the body if it is a JSON object with only `known` fields; otherwise 400 InvalidRequestContent."""
    body = bytearray()
    async for block in body_parts(request):
        body += block
        if len(body) > MAX_BODY_BYTES:
            raise ArmRefusal(413, "RequestEntityTooLarge", f"The request body is over {MAX_BODY_BYTES} bytes.")
    try:
        value = json.loads(bytes(body))
    except ValueError as error:
        raise ArmRefusal(400, "InvalidRequestContent", f"The request content was invalid JSON: {error}.") from error
    return only_fields(value, known)


def api_version(request: web.Request) -> str:
    """Return the request's api-version; 400 if there is none or it is malformed."""
    value = request.query.get("api-version", "")
    if not value:
        message = "The api-version query parameter (?api-version=) is required for all requests."
        raise ArmRefusal(400, "MissingApiVersionParameter", message)
    if API_VERSION_PATTERN.fullmatch(value) is None:
        raise invalid_api_version(value, ())
    return value


def invalid_api_version(value: str, supported: Collection[str]) -> ArmRefusal:
    """Refuse an api-version that ARM's own operations do not have."""
    known = f" The supported versions are '{','.join(supported)}'." if supported else ""
    return ArmRefusal(400, "InvalidApiVersionParameter", f"The api-version '{value}' is invalid.{known}")


def no_registered_provider(value: str, resource_type: str, supported: Collection[str], location: str) -> ArmRefusal:
    """Refuse an api-version that a resource type does not have."""
    message = (
        f"No registered resource provider found for location '{location}' and API version '{value}' for type "
        f"'{resource_type}'. The supported api-versions are '{', '.join(supported)}'. The supported locations are "
        f"'{location}'."
    )
    return ArmRefusal(400, "NoRegisteredProviderFound", message)


def method_refused(method: str) -> ArmRefusal:
    """Refuse an HTTP method that the resource does not have."""
    return ArmRefusal(405, "MethodNotAllowed", f"The requested resource does not support http method '{method}'.")


def not_registered(namespace: str) -> ArmRefusal:
    """Refuse to create a resource whose namespace is not registered in the subscription."""
    message = f"The subscription is not registered to use namespace '{namespace}'. See https://aka.ms/rps-not-found"
    return ArmRefusal(409, "MissingSubscriptionRegistration", message)


def resource_not_found(resource_type: str, name: str, group: str) -> ArmRefusal:
    """Refuse with 404: `resource_type` with its namespace, `name` with its parents' names."""
    message = f"The Resource '{resource_type}/{name}' under resource group '{group}' was not found."
    return ArmRefusal(404, "ResourceNotFound", message)
