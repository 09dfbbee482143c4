"""Azure Monitor: the Logs Ingestion API behind the data collection rule, and the Log Analytics query API.

Ingestion, faithful: audience, api-version, unknown rule and stream (404), gzip, 1 MB both compressed and uncompressed
(413), an array of objects, the declared columns only, and what lab/monitor/tables.py says of values; 204. Injected 429s
carry Retry-After. Left out: the data collection endpoint's network rules, rates per rule, ingestion delay.

Query, faithful: `POST /v1/workspaces/{id}/query` with query and timespan, the table form of the answer, the bodies of
errors. lab/monitor/kql.py says which part of the language it knows. Left out: `$batch`, queries by GET and by resource,
other workspaces, statistics and visualizations, limits (500,000 rows, 200 requests in 30 s), partial results, roles.

Sources: docs/azure-facts.md#log-analytics; learn logs-ingestion-api-overview, logs/api/errors; the live tests of the
SDKs (ContentLengthLimitExceeded; "Data collection rule with immutable Id '...' not found."). Not documented, so chosen
here: the codes for a stream that the rule does not have (as for an unknown rule), for a body that is not gzip or not an
array, and for authentication at the ingestion endpoint.
"""

import json
import re
import uuid
import zlib
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from aiohttp import web

from lab.authorization.requests import TELEMETRY
from lab.authorization.state import Action
from lab.front import answers
from lab.front.request_copies import body_parts
from lab.monitor import kql
from lab.monitor.kql import QueryRefusedError, Result
from lab.monitor.tables import OPERATIONS_COLUMNS, ColumnType, LogTables, formatted_time, parsed_time
from lab.shared import Lab
from lab.tokens import TokenRefused

INGESTION_AUDIENCES = ("https://monitor.azure.com",)
QUERY_AUDIENCES = ("https://api.loganalytics.io",)
INGESTION_API_VERSION = "2023-01-01"
MAX_CALL_BYTES = 1024 * 1024
MAX_QUERY_BYTES = 1024 * 1024
GZIP = 16 + zlib.MAX_WBITS
# Columns that every table of a workspace has.
STANDARD_COLUMNS: Mapping[str, ColumnType] = {"TenantId": "string", "Type": "string", "_ResourceId": "string"}
QUERY_TYPES = {"boolean": "bool"}  # Other types have the same name in streams and in answers.

_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


class _Refused(Exception):  # noqa: N818 - an answer to the client
    def __init__(self, answer: web.Response) -> None:
        super().__init__(answer.status)
        self.answer = answer


def routes(lab: Lab, tables: LogTables) -> web.Application:
    """Return the ingestion endpoint's app, which writes into `tables`."""

    async def ingest(request: web.Request) -> web.Response:
        try:
            return await _ingest(lab, tables, request)
        except _Refused as refused:
            return refused.answer

    application = web.Application()
    application.router.add_post("/dataCollectionRules/{rule}/streams/{stream}", ingest)
    return application


def query_routes(lab: Lab, tables: LogTables) -> web.Application:
    """Return the query API's app, which reads `tables`."""

    async def query(request: web.Request) -> web.Response:
        try:
            return await _query(lab, tables, request)
        except _Refused as refused:
            return refused.answer
        except QueryRefusedError as error:
            return _query_error(error)

    application = web.Application(client_max_size=MAX_QUERY_BYTES)
    application.router.add_post("/v1/workspaces/{workspace}/query", query)
    return application


def _refuse(status: int, code: str, message: str) -> _Refused:
    return _Refused(answers.monitor_error(status, code, message))


def _authorize(
    lab: Lab, request: web.Request, audiences: Collection[str], codes: tuple[str, str]
) -> Mapping[str, object]:
    """Check the token and return its claims; `codes` are for a missing and for a refused one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise _refuse(401, codes[0], "Valid authentication was not provided")
    try:
        return lab.tokens.verify(token.strip(), audiences)
    except TokenRefused as refused:
        raise _refuse(401, codes[1], refused.reason) from refused


async def _ingest(lab: Lab, tables: LogTables, request: web.Request) -> web.Response:
    claims = _authorize(lab, request, INGESTION_AUDIENCES, ("AuthenticationFailed", "InvalidToken"))
    version = request.query.get("api-version", "")
    if not version:
        raise _refuse(400, "ApiVersionUnspecified", "An API version is required, but was not specified.")
    if version != INGESTION_API_VERSION:
        message = f"The HTTP resource that matches the request URI does not support the API version '{version}'."
        raise _refuse(400, "UnsupportedApiVersion", message)
    if set(request.query) != {"api-version"}:
        raise _refuse(400, "BadRequest", "The request has unknown query parameters.")
    rule, stream = request.match_info["rule"], request.match_info["stream"]
    if rule != lab.names.dcr_immutable_id:
        raise _refuse(404, "NotFound", f"Data collection rule with immutable Id '{rule}' not found.")
    scope = f"{lab.names.resource_group_id}/providers/Microsoft.Insights/dataCollectionRules/{lab.names.dcr}"
    if not lab.authorization.permits(claims, Action(name=TELEMETRY, scope=scope, is_data=True)):
        message = (
            f"The authentication token provided does not have access to ingest data for the data collection rule with"
            f" immutable Id '{rule}'."
        )
        raise _refuse(403, "OperationFailed", message)
    table = lab.names.operations_table
    if stream != f"Custom-{table}":
        message = f"Stream '{stream}' not found in data collection rule with immutable Id '{rule}'."
        raise _refuse(404, "NotFound", message)
    if request.content_type != "application/json":
        raise _refuse(415, "UnsupportedMediaType", f"The content type '{request.content_type}' is not supported.")
    records = _records(_uncompressed(await _body(request), request.headers.get("Content-Encoding", "")))
    tables.add(table, OPERATIONS_COLUMNS, records, lab.clock.now())
    return web.Response(status=204, headers={"x-ms-request-id": str(uuid.uuid4())})


async def _body(request: web.Request) -> bytes:
    body = bytearray()
    async for block in body_parts(request):
        body += block
        if len(body) > MAX_CALL_BYTES:
            raise _too_long(request.content_length or len(body))
    return bytes(body)


def _uncompressed(body: bytes, encoding: str) -> bytes:
    if encoding.lower() in ("", "identity"):
        return body
    if encoding.lower() != "gzip":
        raise _refuse(415, "UnsupportedMediaType", f"The content encoding '{encoding}' is not supported.")
    reader = zlib.decompressobj(GZIP)
    try:
        whole = reader.decompress(body, MAX_CALL_BYTES + 1)
    except zlib.error as error:
        raise _refuse(400, "InvalidPayload", f"The body is not gzip: {error}.") from error
    if len(whole) > MAX_CALL_BYTES:
        raise _too_long(len(whole))
    if not reader.eof:
        raise _refuse(400, "InvalidPayload", "The body is not gzip: it ends early.")
    return whole


def _too_long(length: int) -> _Refused:
    message = f"Maximum allowed content length: {MAX_CALL_BYTES} bytes (1 MB). Provided content length: {length} bytes."
    return _refuse(413, "ContentLengthLimitExceeded", message)


def _records(body: bytes) -> list[Mapping[str, Any]]:
    try:
        records = json.loads(body)
    except ValueError as error:
        raise _refuse(400, "InvalidPayload", f"The body is not JSON: {error}.") from error
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise _refuse(400, "InvalidPayload", "The body is not a JSON array of objects.")
    return records


async def _query(lab: Lab, tables: LogTables, request: web.Request) -> web.Response:
    # The client's default audience is the address of the endpoint itself.
    audiences = (*QUERY_AUDIENCES, lab.urls["logs_query"])
    _authorize(lab, request, audiences, ("AuthorizationRequiredError", "InvalidTokenError"))
    if request.match_info["workspace"].lower() != lab.names.workspace_id:
        raise _refuse(404, "WorkspaceNotFoundError", "The workspace could not be found")
    try:
        body = json.loads(await request.read())
    except ValueError as error:
        raise _bad_argument(f"The request body is not JSON: {error}") from error
    if not isinstance(body, dict) or not set(body) <= {"query", "timespan", "workspaces"}:
        raise _bad_argument("The request body is an object with query, timespan and workspaces")
    if not isinstance(body.get("query"), str) or body.get("workspaces"):
        raise _bad_argument("query is required, workspaces are not supported here")
    source = _table(lab, tables, kql.table_of(body["query"]))
    if body.get("timespan") is not None:
        now = datetime.fromtimestamp(lab.clock.now(), timezone.utc)
        start, end = _span(str(body["timespan"]), now)
        rows = [row for row in source.rows if start <= row["TimeGenerated"] <= end]
        source = Result(columns=source.columns, rows=rows)
    result = kql.run(body["query"], source)
    table = {
        "name": "PrimaryResult",
        "columns": [{"name": name, "type": QUERY_TYPES.get(kind, kind)} for name, kind in result.columns.items()],
        "rows": [[_cell(row[name]) for name in result.columns] for row in result.rows],
    }
    return web.json_response({"tables": [table]})


def _table(lab: Lab, tables: LogTables, name: str) -> Result:
    if name != lab.names.operations_table:
        raise kql.unresolved(name, "table")
    standard = {"TenantId": lab.names.workspace_id, "Type": name, "_ResourceId": ""}
    return Result(
        columns={"TenantId": "string", **OPERATIONS_COLUMNS, **STANDARD_COLUMNS},
        rows=[{**standard, **row} for row in tables.rows.get(name, [])],
    )


def _cell(value: Any) -> Any:
    return formatted_time(value) if isinstance(value, datetime) else value


def _span(text: str, now: datetime) -> tuple[datetime, datetime]:
    """Read an ISO 8601 interval: a duration up to now, or two of start, duration and end."""
    first, slash, second = text.partition("/")
    if not slash:
        duration = _duration(first)
        return now - duration, now
    if first.startswith("P"):
        end = _instant(second)
        return end - _duration(first), end
    start = _instant(first)
    return start, start + _duration(second) if second.startswith("P") else _instant(second)


def _duration(text: str) -> timedelta:
    match = _DURATION.fullmatch(text)
    if match is None or text in ("P", "PT"):
        raise _bad_argument(f"The timespan part '{text}' is not an ISO 8601 duration")
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _instant(text: str) -> datetime:
    instant = parsed_time(text)
    if instant is None:
        raise _bad_argument(f"The timespan part '{text}' is not an ISO 8601 time")
    return instant


def _bad_argument(message: str) -> _Refused:
    return _refuse(400, "BadArgumentError", message)


def _query_error(error: QueryRefusedError) -> web.Response:
    unparsed = error.unparsed
    cause: dict[str, Any] = {"code": error.code, "message": str(error)}
    if unparsed is not None:
        cause.update(line=unparsed.line, pos=unparsed.position, token=unparsed.text)
    body = {
        "message": "The request had some invalid properties",
        "code": "BadArgumentError",
        "correlationId": str(uuid.uuid4()),
        "innererror": {
            "code": "SemanticError" if unparsed is None else "SyntaxError",
            "message": (
                "A semantic error occurred." if unparsed is None else "A recognition error occurred in the query."
            ),
            "innererror": cause,
        },
    }
    return web.json_response({"error": body}, status=400)
