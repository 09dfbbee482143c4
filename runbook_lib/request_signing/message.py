"""Make the exact bytes that an HTTP message signature signs (RFC 9421). Signer and verifier both use this. Pure.

Covered components are derived components of a request that need no parameters, and whole fields. A message that can be
read in two ways is refused and not mended: two readers would sign different bytes.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# RFC 8941, 3.1.2, 3.3.1 and 3.3.3: a key, the range of an integer, the characters of a string.
KEY = r"[a-z*][a-z0-9_.*-]*"
MAX_INTEGER = 10**15 - 1
_KEY = re.compile(KEY)
_STRING = re.compile(r"[ -~]*")

_URL = re.compile(r"([a-z]+)://([^/?#]*)([^?#]*)(\?[^#]*)?")
_AUTHORITY = re.compile(r"([a-z0-9._~-]+|\[[0-9a-f:.]+\])(?::([0-9]{0,5}))?")
_DEFAULT_PORTS = {"https": "443", "http": "80"}
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
# Visible ASCII without the characters that end a path or a query (RFC 3986, 3.3 and 3.4).
_PATH = re.compile(r"(/[!\"$->@-~]*)?")
_QUERY = re.compile(r"(\?[!\"$-~]*)?")
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_FIELD_VALUE = re.compile(r"[\t -~]*")
# RFC 9112, 5.2. The search begins only at the first of several blanks. Otherwise a field of blanks would take time in
# the square of its length.
_FOLD = re.compile(r"(?<![ \t])[ \t]*\r?\n[ \t]+")


class NotCanonicalError(ValueError):
    """The request can be read in two ways, or lacks a component that must be covered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A request in the form that is signed (RFC 9421, 2.2). `message` and `received_message` make it.

    Attributes:
        method: As it is sent.
        authority: Normalised.
        path: Never empty.
        query: With its question mark. No query is a question mark alone.
        fields: One value for each name. Names are in small letters.
    """

    method: str
    authority: str
    path: str
    query: str
    fields: Mapping[str, str]

    def value(self, component: str) -> str:
        """Return a component's value. Raises NotCanonicalError if the request does not have it."""
        if component == "@method":
            return self.method
        if component == "@authority":
            return self.authority
        if component == "@path":
            return self.path
        if component == "@query":
            return self.query
        found = self.fields.get(component)
        if found is None:
            raise NotCanonicalError("a component that must be covered is absent")
        return found


@dataclass(frozen=True, slots=True)
class SignatureParameters:
    """The covered components and the parameters of a signature, in their written order (RFC 9421, 2.3).

    `values` are texts and whole numbers, by parameter.
    """

    components: tuple[str, ...]
    values: Mapping[str, str | int]

    def serialised(self) -> str:
        """Return the inner list of a Signature-Input member. It is also in the last line of the signed text.

        Raises NotCanonicalError for what a structured field cannot hold (RFC 8941, 4.1).
        """
        covered = " ".join([_string(component) for component in self.components])
        return f"({covered})" + "".join([f";{_key(name)}={_bare(value)}" for name, value in self.values.items()])


def message(*, method: str, url: str, fields: Mapping[str, str]) -> Message:
    """Return the message of a request that will be sent. Raises NotCanonicalError.

    `fields` has one value for each name, in small letters. `url` is absolute, without a user and a fragment.
    Percent-encoding stays: no path or query is decoded (RFC 9421, 2.2.6).
    """
    parts = _URL.fullmatch(url)
    if parts is None:
        raise NotCanonicalError("the address is not absolute, or has a fragment")
    scheme, authority, path, query = parts.groups()
    return received_message(
        method=method, scheme=scheme, authority=authority, path=path, query=query or "", fields=fields
    )


def received_message(
    *, method: str, scheme: str, authority: str, path: str, query: str, fields: Mapping[str, str]
) -> Message:
    """Return the message of a received request. `authority` is its Host. A `query` has its question mark.

    Raises NotCanonicalError.
    """
    if not _METHOD.fullmatch(method):
        raise NotCanonicalError("the method is no token")
    if not _PATH.fullmatch(path):
        raise NotCanonicalError("the path is not absolute, or has what must be encoded")
    if not _QUERY.fullmatch(query):
        raise NotCanonicalError("the query has what must be encoded")
    for value in fields.values():
        if not _FIELD_VALUE.fullmatch(value):
            raise NotCanonicalError("a field has a control character, or one outside ASCII")
    return Message(
        method=method,
        authority=normal_authority(scheme, authority),
        path=path or "/",
        query=query or "?",
        fields=fields,
    )


def normal_authority(scheme: str, authority: str) -> str:
    """Return a host and port in small letters and without a default port (RFC 9421, 2.2.3).

    Raises NotCanonicalError for a user, or a text that is not a host.
    """
    parts = _AUTHORITY.fullmatch(authority.lower())
    if parts is None:
        raise NotCanonicalError("the authority is no host and port")
    host, port = parts.groups()
    return f"{host}:{port}" if port and port != _DEFAULT_PORTS.get(scheme) else host


def field_values(lines: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return one value for each field, by its name in small letters (RFC 9421, 2.1). Raises NotCanonicalError.

    `lines` are names and values as they were sent. A name may occur several times.
    """
    found: dict[str, list[str]] = {}
    for line_name, line in lines:
        name, value = line_name.lower(), _FOLD.sub(" ", line).strip(" \t")
        if not _FIELD_NAME.fullmatch(name):
            raise NotCanonicalError("a field's name is no token")
        found.setdefault(name, []).append(value)
    return {name: ", ".join(values) for name, values in found.items()}


def signature_base(request: Message, parameters: SignatureParameters) -> bytes:
    """Return the signed bytes (RFC 9421, 2.5). Raises NotCanonicalError, also if a component is covered twice."""
    if len(set(parameters.components)) != len(parameters.components):
        raise NotCanonicalError("a component is covered twice")
    lines = [f"{_string(component)}: {request.value(component)}" for component in parameters.components]
    return "\n".join([*lines, f'"@signature-params": {parameters.serialised()}']).encode("ascii")


def mac(key: bytes, base: bytes) -> bytes:
    """Return the signature by `hmac-sha256` (RFC 9421, 3.3.3)."""
    return hmac.digest(key, base, "sha256")


def content_digest(body: bytes) -> str:
    """Return the Content-Digest field of a body (RFC 9530, 2)."""
    return f"sha-256={byte_sequence(hashlib.sha256(body).digest())}"


def byte_sequence(content: bytes) -> str:
    """Return bytes in the form of a structured field (RFC 8941, 4.1.8)."""
    return f":{base64.b64encode(content).decode('ascii')}:"


def _string(text: str) -> str:
    if not _STRING.fullmatch(text):
        raise NotCanonicalError("a structured field's string is printable ASCII")
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _key(name: str) -> str:
    if not _KEY.fullmatch(name):
        raise NotCanonicalError("a structured field's key is small letters, digits and a few signs")
    return name


def _bare(value: str | int) -> str:
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, bool) or not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise NotCanonicalError("a structured field's integer has at most 15 digits")
    return str(value)
