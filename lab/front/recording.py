"""A recording of whole requests and answers, to be compared with Azure's own contracts.

`python -m lab --record DIR` appends a line of JSON for each request to DIR/lab-PID.jsonl:

    {"sequence", "service", "method", "path", "fault", "job", "client", "test",
     "request":  {"headers": [[name, value], ...], "body": BODY},
     "response": {"status", "headers", "body": BODY} or null, if the client got none}

BODY is {"text"} for text, {"base64" (the beginning), "bytes"} for other content, or only {"bytes"} for a body that is
too long or was not kept (-1: nobody counted it). gzip is unpacked. `test` is the content of the file DIR/current_test;
a test runner may write the name of its test there. A recording ends at MAX_BYTES.

Secrets are masked: credentials of a request, passwords, tokens, signatures of links, and the values of a vault's
secrets and private operations. The rest of each body is in the recording, so keep a recording private.
"""

import base64
import json
import logging
import os
import re
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from lab.front.journal import Entry
from lab.front.request_copies import COPY

LOGGER = logging.getLogger("lab")

MAX_BYTES = 1024 * 1024 * 1024
MAX_BODY_BYTES = 512 * 1024
MAX_BINARY_BYTES = 4096
MASK = "***"
CURRENT_TEST = "current_test"

SECRET_HEADERS = frozenset({"x-identity-header", "cookie", "set-cookie"})
# Secret fields of JSON bodies and of forms.
SECRET_FIELDS = frozenset(
    {
        "access_token",
        "assertion",
        "client_assertion",
        "client_secret",
        "id_token",
        "password",
        "refresh_token",
        "token",
    }
)
# `value` is a secret in a vault and in the answer to generateCredentials. Elsewhere it is the field of any list.
VALUE_PATHS = re.compile(r"/generateCredentials(\?|$)", re.IGNORECASE)
FORM_FIELD = re.compile(rf"(?i)((?:^|&)(?:{'|'.join(sorted(SECRET_FIELDS))})=)[^&]*")
# Secrets in links, anywhere in a text: a shared access signature (in XML, `&` is `&amp;`), a webhook's token.
LINK = re.compile(r"(?i)([?&;](?:sig|token|code|access_token)=)[^&\s\"'<>\\]+")
# A JSON web token, anywhere in a text.
WEB_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{5,}\.eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*")
# The key that signs a user delegation.
DELEGATION_KEY = re.compile(r"(<Value>)[^<]*(</Value>)")


class RecordingFailedError(Exception):
    """A recording cannot be written to a folder. The text says why."""


class Recording:
    """The recording of one lab."""

    def __init__(self, directory: Path, *, max_bytes: int = MAX_BYTES) -> None:
        """Append to a file in `directory`, which is created if needed; RecordingFailedError if it cannot be written."""
        self._test = directory / CURRENT_TEST
        path = directory / f"lab-{os.getpid()}.jsonl"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            self._file = path.open("a", buffering=1, encoding="utf-8")
        except OSError as error:
            raise RecordingFailedError(f"nothing can be recorded in {directory}: {error.strerror}") from error
        self._left = max_bytes

    async def add(self, request: web.Request, entry: Entry, answer: web.StreamResponse | None) -> None:
        """Record a request that has been answered; `answer` None: the connection was cut."""
        if self._left <= 0:
            return
        record = {
            "sequence": entry.sequence,
            "service": entry.service,
            "method": request.method,
            "path": LINK.sub(rf"\1{MASK}", request.raw_path),
            "fault": entry.fault,
            "job": entry.job_id,
            "client": entry.client,
            "test": self._current_test(),
            "request": _side(await _sent(request), request.headers.items(), request, entry.service),
            "response": None,
        }
        if answer is not None:
            headers = [*answer.headers.items()]
            if "Content-Type" not in answer.headers and answer.content_type:
                headers.append(("Content-Type", answer.content_type))
            record["response"] = {"status": answer.status, **_side(_given(answer), headers, request, entry.service)}
        line = json.dumps(record) + "\n"
        self._left -= len(line)
        if self._left <= 0:
            LOGGER.warning("the recording in %s is full; nothing more is recorded", self._test.parent)
            return
        self._file.write(line)

    def close(self) -> None:
        """End the recording."""
        self._file.close()

    def _current_test(self) -> str:
        try:
            return self._test.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""


async def _sent(request: web.Request) -> bytes | None:
    """Return a request's body as its service has read it; None if it was not read to its end."""
    if not request.content.at_eof() or request.content.exception() is not None:
        return None
    copy = request.get(COPY)
    return await request.read() if copy is None else bytes(copy.body)


def _given(answer: web.StreamResponse) -> bytes | None:
    """Return an answer's body; None if it was streamed from a real server."""
    if not isinstance(answer, web.Response):
        return None
    return bytes(answer.body) if isinstance(answer.body, bytes | bytearray) else b""


def _side(body: bytes | None, headers: Iterable[tuple[str, str]], request: web.Request, service: str) -> dict[str, Any]:
    pairs = list(headers)
    named = {name.lower(): value for name, value in pairs}
    private = service.endswith("key_vault") or VALUE_PATHS.search(request.raw_path) is not None
    return {"headers": [[name, _header(name, value)] for name, value in pairs], "body": _body(body, named, private)}


def _header(name: str, value: str) -> str:
    if name.lower() in SECRET_HEADERS:
        return MASK
    if name.lower().endswith("authorization"):  # also x-ms-copy-source-authorization
        return f"{value.partition(' ')[0]} {MASK}"
    return _text(value)


def _body(body: bytes | None, headers: Mapping[str, str], private: bool) -> dict[str, Any]:
    if body is None:
        return {"bytes": -1}
    content = body
    if headers.get("content-encoding", "").lower() == "gzip":
        unpacker = zlib.decompressobj(wbits=31)
        try:
            content = unpacker.decompress(body, MAX_BODY_BYTES + 1)
        except zlib.error:
            content = body
    if len(content) > MAX_BODY_BYTES:
        return {"bytes": len(body)}
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content[:MAX_BINARY_BYTES]).decode(), "bytes": len(content)}
    if headers.get("content-type", "").lower().startswith("application/x-www-form-urlencoded"):
        text = FORM_FIELD.sub(rf"\1{MASK}", text)
    return {"text": masked(text, private=private)}


def masked(text: str, *, private: bool) -> str:
    """Return a body without its secrets; JSON keeps its shape. `private`: each `value` is a secret."""
    try:
        value = json.loads(text)
    except ValueError:
        return _text(text)
    shown = _without_secrets(value, SECRET_FIELDS | {"value"} if private else SECRET_FIELDS)
    return text if shown == value else json.dumps(shown)


def _without_secrets(value: object, secret: frozenset[str]) -> object:
    if isinstance(value, dict):
        return {
            name: MASK if name.lower() in secret and isinstance(item, str) else _without_secrets(item, secret)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_without_secrets(item, secret) for item in value]
    return _text(value) if isinstance(value, str) else value


def _text(text: str) -> str:
    for pattern, instead in ((LINK, rf"\1{MASK}"), (WEB_TOKEN, MASK), (DELEGATION_KEY, rf"\1{MASK}\2")):
        text = pattern.sub(instead, text)
    return text
