"""A small, strict part of the Kusto query language: enough to look at one table.

    Table | where Column == literal | order by Column [asc|desc], ... | take N | project Column, ... | count

`sort by` is `order by`, `limit` is `take`; any number of steps in any order. Literals: "text" and 'text' with backslash
escapes, whole numbers, true, false, datetime(2026-11-23T10:00:00Z). As in Kusto, `==` compares with case, `order by`
descends by default, and null is the smallest value. Kusto does not promise an order of equal rows; here they keep
theirs.
Everything else is refused with Kusto's errors for what it cannot parse (SYN0002) or resolve (SEM0100, SEM0064).

Source: learn kusto/query; the error bodies of the SDKs' recordings.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import itemgetter

from lab.monitor.tables import ColumnType, Row, parsed_time

_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<name>[A-Za-z_]\w*)|(?P<number>-?\d+)|(?P<symbol>==|[|,()])"""
    r"""|(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
)
_DATETIME = re.compile(r"datetime\(([^)]*)\)")
NUMERIC = ("int", "long", "real")


class QueryRefusedError(Exception):
    """A query cannot be run. `code` is Kusto's (SYN0002, SEM0100, ...)."""

    def __init__(self, code: str, message: str, unparsed: "Token | None" = None) -> None:
        """Keep the parts. `unparsed` is the word at which the syntax is wrong; None if the syntax is right."""
        super().__init__(message)
        self.code = code
        self.unparsed = unparsed


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A word of a query and where it starts, counted from 1. value: the value of a literal."""

    kind: str
    text: str
    line: int
    position: int
    value: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A table of results: columns with their types, and rows."""

    columns: Mapping[str, ColumnType]
    rows: Sequence[Row]


def table_of(query: str) -> str:
    """Return the name of the table that a query starts with."""
    return _Reader(query).take("name").text


def run(query: str, source: Result) -> Result:
    """Run a query whose table is `source`; QueryRefusedError if it is not understood."""
    reader = _Reader(query)
    reader.take("name")
    result = source
    while not reader.at_end():
        reader.take("symbol", "|")
        step = reader.take("name")
        if step.text not in STEPS:
            raise _unparsed(step)
        result = STEPS[step.text](reader, result)
    return result


class _Reader:
    """The tokens of a query, read one by one."""

    def __init__(self, query: str) -> None:
        self._tokens = _tokens(query)
        self._next = 0

    def at_end(self) -> bool:
        return self._tokens[self._next].kind == "end"

    def take(self, *kinds_or_text: str) -> Token:
        """Return the next token. It must be of the kind, and it must have the text if one is given."""
        token = self._tokens[self._next]
        kind, *text = kinds_or_text
        if token.kind != kind or (text and token.text not in text):
            raise _unparsed(token)
        self._next += 1
        return token

    def takes(self, kind: str, *texts: str) -> str:
        """Take the next token if it is one of `texts` and return it, or return ""."""
        token = self._tokens[self._next]
        if token.kind == kind and token.text in texts:
            self._next += 1
            return token.text
        return ""

    def literal(self) -> Token:
        token = self._tokens[self._next]
        if token.value is None:
            raise _unparsed(token)
        self._next += 1
        return token


def _tokens(query: str) -> list[Token]:
    found: list[Token] = []
    at = 0
    while at < len(query):
        line, position = query.count("\n", 0, at) + 1, at - query.rfind("\n", 0, at)
        time = _DATETIME.match(query, at)
        match = time or _TOKEN.match(query, at)
        if match is None:
            raise _unparsed(Token(kind="", text=query[at], line=line, position=position))
        kind, text = ("datetime" if time else str(match.lastgroup)), match.group()
        if kind != "space":
            token = Token(kind=kind, text=text, line=line, position=position)
            found.append(replace(token, value=_value(token)))
        at = match.end()
    found.append(Token(kind="end", text="<EOF>", line=query.count("\n") + 1, position=at - query.rfind("\n")))
    return found


def _value(token: Token) -> object:
    """Return the value of a literal, or None."""
    if token.kind == "number":
        return int(token.text)
    if token.text in ("true", "false"):
        return token.text == "true"
    if token.kind == "datetime":
        time = parsed_time(token.text[len("datetime(") : -1].strip("\"'"))
        if time is None:
            raise _unparsed(token)
        return time
    if token.kind == "text":
        inner = token.text[1:-1]
        try:
            # Kusto's escapes are those of JSON and \'. If \' is replaced, a JSON reader can read them.
            escaped = re.sub(r"\\(.)|\"", lambda part: _json_escape(part.group(1)), inner)
            return str(json.loads(f'"{escaped}"'))
        except ValueError as error:
            raise _unparsed(token) from error
    return None


def _json_escape(character: str | None) -> str:
    if character is None:
        return '\\"'
    return "'" if character == "'" else f"\\{character}"


def _where(reader: _Reader, source: Result) -> Result:
    column = _column(reader, source)
    reader.take("symbol", "==")
    wanted = reader.literal().value
    kind = source.columns[column]
    held = {"string": str, "boolean": bool, "datetime": datetime}.get(kind, int)
    if kind == "dynamic" or not isinstance(wanted, held) or (isinstance(wanted, bool) and kind in NUMERIC):
        found = {str: "string", bool: "bool", datetime: "datetime", int: "long"}[type(wanted)]
        raise QueryRefusedError(
            "SEM0064", f"Cannot compare values of types {kind} and {found}. Try adding explicit casts"
        )
    return replace(source, rows=[row for row in source.rows if row[column] == wanted])


def _order(reader: _Reader, source: Result) -> Result:
    reader.take("name", "by")
    keys: list[tuple[str, bool]] = []
    while not keys or reader.takes("symbol", ","):
        column = _column(reader, source)
        keys.append((column, reader.takes("name", "asc", "desc") != "asc"))
    rows = list(source.rows)
    for column, descending in reversed(keys):
        nulls = [row for row in rows if row[column] is None]
        others = sorted((row for row in rows if row[column] is not None), key=itemgetter(column), reverse=descending)
        rows = others + nulls if descending else nulls + others
    return replace(source, rows=rows)


def _take(reader: _Reader, source: Result) -> Result:
    token = reader.take("number")
    count = int(token.text)
    if count < 0:
        raise _unparsed(token)
    return replace(source, rows=source.rows[:count])


def _project(reader: _Reader, source: Result) -> Result:
    columns = [_column(reader, source)]
    while reader.takes("symbol", ","):
        columns.append(_column(reader, source))
    rows = [{column: row[column] for column in columns} for row in source.rows]
    return Result(columns={column: source.columns[column] for column in columns}, rows=rows)


def _count(_reader: _Reader, source: Result) -> Result:
    return Result(columns={"Count": "long"}, rows=[{"Count": len(source.rows)}])


STEPS: Mapping[str, Callable[[_Reader, Result], Result]] = {
    "where": _where,
    "order": _order,
    "sort": _order,
    "take": _take,
    "limit": _take,
    "project": _project,
    "count": _count,
}


def _column(reader: _Reader, source: Result) -> str:
    name = reader.take("name").text
    if name not in source.columns:
        raise unresolved(name, "column")
    return name


def unresolved(name: str, what: str) -> QueryRefusedError:
    """Refuse a table or column that does not exist."""
    message = f"Failed to resolve {'table or column' if what == 'table' else 'scalar'} expression named '{name}'"
    return QueryRefusedError("SEM0100", message)


def _unparsed(token: Token) -> QueryRefusedError:
    message = f"Query could not be parsed at '{token.text}' on line [{token.line},{token.position}]"
    return QueryRefusedError("SYN0002", message, token)
