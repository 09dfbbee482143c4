"""What an HTTP message signature is made over, byte for byte (RFC 9421): signer and verifier both ask here.

Covered components are the derived ones of a request that need no parameters, and fields as a whole; all pure. What
could be read in two ways is refused and not mended: two readers would sign different bytes.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# RFC 8941, 3.1.2, 3.3.1 and 3.3.3: a key, the range of an integer, what a string may hold.
KEY = r"[a-z*][a-z0-9_.*-]*"
MAX_INTEGER = 10**15 - 1
_KEY = re.compile(KEY)
_STRING = re.compile(r"[ -~]*")

_URL = re.compile(r"([a-z]+)://([^/?#]*)([^?#]*)(\?[^#]*)?")
_AUTHORITY = re.compile(r"([a-z0-9._~-]+|\[[0-9a-f:.]+\])(?::([0-9]{0,5}))?")
_DEFAULT_PORTS = {"https": "443", "http": "80"}
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
# In visible ASCII, neither with what would end it (RFC 3986, 3.3 and 3.4).
_PATH = re.compile(r"(/[!\"$->@-~]*)?")
_QUERY = re.compile(r"(\?[!\"$-~]*)?")
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_FIELD_VALUE = re.compile(r"[\t -~]*")
# RFC 9112, 5.2. It is looked for where blanks begin, and not at each of them: a field of blanks alone would
# cost the square of its length.
_FOLD = re.compile(r"(?<![ \t])[ \t]*\r?\n[ \t]+")


class NotCanonicalError(ValueError):
    """The request has no one reading, or does not have what is to be covered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A request in the form that signatures are made over; made by `message` or `received_message`.

    method, as it is sent; authority, normalised; path, never empty; query, with its question mark, which also stands
    for none (RFC 9421, 2.2.1, 2.2.3, 2.2.6, 2.2.7); fields, by small name, each as one value.
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
            raise NotCanonicalError("a component that is to be covered is not there")
        return found


@dataclass(frozen=True, slots=True)
class SignatureParameters:
    """What a signature covers and says of itself, in the order in which it is written (RFC 9421, 2.3).

    values: texts and whole numbers, by parameter.
    """

    components: tuple[str, ...]
    values: Mapping[str, str | int]

    def serialised(self) -> str:
        """Return the inner list of a Signature-Input member, which is also the last line of what is signed.

        Raises NotCanonicalError for what a structured field cannot hold (RFC 8941, 4.1).
        """
        covered = " ".join([_string(component) for component in self.components])
        return f"({covered})" + "".join([f";{_key(name)}={_bare(value)}" for name, value in self.values.items()])


def message(*, method: str, url: str, fields: Mapping[str, str]) -> Message:
    """Return a request that is to be sent. fields: by small name, one value each. Raises NotCanonicalError.

    url: absolute; a user or a fragment in it is refused. Percent-encoding stays as it is: nothing in a path or a query
    is decoded (RFC 9421, 2.2.6).
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
    """Return a request that has come. authority: its Host; query: with its question mark if it has any.

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

    Raises NotCanonicalError for a user, or what is no host.
    """
    parts = _AUTHORITY.fullmatch(authority.lower())
    if parts is None:
        raise NotCanonicalError("the authority is no host and port")
    host, port = parts.groups()
    return f"{host}:{port}" if port and port != _DEFAULT_PORTS.get(scheme) else host


def field_values(lines: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return fields by small name, each as one value (RFC 9421, 2.1). Raises NotCanonicalError.

    lines: names and values as they were sent, maybe several of one name.
    """
    found: dict[str, list[str]] = {}
    for line_name, line in lines:
        name, value = line_name.lower(), _FOLD.sub(" ", line).strip(" \t")
        if not _FIELD_NAME.fullmatch(name):
            raise NotCanonicalError("a field's name is no token")
        found.setdefault(name, []).append(value)
    return {name: ", ".join(values) for name, values in found.items()}


def signature_base(request: Message, parameters: SignatureParameters) -> bytes:
    """Return what is signed (RFC 9421, 2.5). Raises NotCanonicalError, also if a component comes twice."""
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
    """Return bytes as a structured field writes them (RFC 8941, 4.1.8)."""
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
