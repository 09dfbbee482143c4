"""Microsoft.Network/dnsZones: the publisher's public zone and its record sets, as azure-mgmt-dns 9.0.0 asks for them.

Faithful: api-version 2018-05-01; GET and list of zones; GET, PUT, PATCH and DELETE of a record set, its lists by type
(`/A`), of all types (`/recordsets`, `/all`) with `$top`, `$recordsetnamesuffix` and `nextLink`; what
lab/dns/record_sets.py says. A write is answered when the name server has the change. With a latency for the operation
`dnsPropagation`, the name server gets the change that many seconds after the answer (Azure: "within 60 seconds"). Left
out: writes of zones, tags of zones, private zones, DNSSEC, DNS resource references.

Sources: learn rest/api/dns, record-sets and zones; dns/dns-faq.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from lab.arm.dispatch import Arm, ArmRefusal, Names, json_body, only_fields, resource_not_found
from lab.arm.resources import Resource
from lab.dns.name_server import NameServer
from lab.dns.record_sets import (
    MAX_RECORD_SETS,
    MAX_RECORDS,
    TYPES,
    Condition,
    DnsRefusedError,
    RecordSet,
    Zone,
    read_name,
    read_type,
)
from lab.resource_group.resources import resource

NAMESPACE = "Microsoft.Network"
TYPE = f"{NAMESPACE}/dnsZones"
API_VERSIONS = ("2018-05-01",)
PAGE_SIZE = 100  # "If not specified, returns up to 100 record sets" (learn rest/api/dns, list by type)
PROPAGATION = "dnsPropagation"
FIELDS = {"id", "name", "type", "etag", "properties"}
SHOWN = {"fqdn", "provisioningState"}


def register(arm: Arm, zone: Zone, server: NameServer) -> None:
    """Serve `zone`. The name server `server` answers for it."""
    handlers = _RecordSets(arm, zone, server)
    arm.deployed(lambda: [handlers.shown_zone()])
    arm.lab.on_reset.append(handlers.forget)
    arm.lab.on_close.append(handlers.forget)
    record_set = {"GET": handlers.get, "PUT": handlers.put, "PATCH": handlers.patch, "DELETE": handlers.delete}
    arm.provider(NAMESPACE, "dnsZones/{zone}", API_VERSIONS, {"GET": handlers.get_zone})
    for every in ("recordsets", "all"):
        arm.provider(NAMESPACE, f"dnsZones/{{zone}}/{every}", API_VERSIONS, {"GET": handlers.every})
    for kind in TYPES:
        pattern = f"dnsZones/{{zone}}/{kind}"
        arm.provider(NAMESPACE, pattern, API_VERSIONS, {"GET": handlers.of_type(kind)})
        bound = {method: _bind(handler, kind) for method, handler in record_set.items()}
        arm.provider(NAMESPACE, f"{pattern}/{{name}}", API_VERSIONS, bound)


Handler = Callable[[web.Request, Names], Any]


def _bind(handler: Callable[[web.Request, Names, str], Any], kind: str) -> Handler:
    async def bound(request: web.Request, names: Names) -> web.Response:
        try:
            answer: web.Response = await handler(request, names, kind)
        except DnsRefusedError as refused:
            headers = {"Retry-After": str(refused.retry_after)} if refused.retry_after else {}
            raise ArmRefusal(refused.status, refused.code, refused.message, headers) from refused
        return answer

    return bound


class _RecordSets:
    """The handlers, each for one method and path."""

    def __init__(self, arm: Arm, zone: Zone, server: NameServer) -> None:
        self._arm, self._zone, self._server = arm, zone, server
        # One write at a time: the zone and the name server are changed together.
        self._writing = asyncio.Lock()
        self._on_their_way: set[asyncio.Task[None]] = set()

    def shown_zone(self) -> Resource:
        """Return the zone as ARM shows it."""
        properties = {
            "maxNumberOfRecordSets": MAX_RECORD_SETS,
            "maxNumberOfRecordsPerRecordSet": MAX_RECORDS,
            "nameServers": [f"{self._server.host}:{self._server.port}"],
            "numberOfRecordSets": len(self._zone.record_sets),
            "zoneType": "Public",
        }
        return resource(self._arm.lab, TYPE, self._zone.name, properties, group=self._arm.home.id, location="global")

    async def forget(self) -> None:
        """Forget the record sets, and the changes that the name server has not got yet."""
        for task in self._on_their_way:
            task.cancel()
        await asyncio.gather(*self._on_their_way, return_exceptions=True)
        self._on_their_way.clear()
        self._zone.clear()

    async def get_zone(self, _request: web.Request, names: Names) -> web.Response:
        """Return the zone."""
        self._check_zone(names)
        return web.json_response(self.shown_zone())

    async def get(self, _request: web.Request, names: Names, kind: str) -> web.Response:
        """Return a record set."""
        self._check_zone(names)
        return web.json_response(self._shown(self._zone.get(kind, names["name"])))

    async def put(self, request: web.Request, names: Names, kind: str) -> web.Response:
        """Create or replace a record set: 201 or 200."""
        self._check_zone(names)
        properties = await _properties(request, kind)
        new = RecordSet(
            type=read_type(kind),
            name=read_name(names["name"]),
            ttl=_ttl(properties.get("TTL")),
            records=_records(kind, properties),
            metadata=_metadata(properties),
        )
        return await self._write(request, new)

    async def patch(self, request: web.Request, names: Names, kind: str) -> web.Response:
        """Change the parts of a record set that the body contains."""
        self._check_zone(names)
        properties = await _properties(request, kind)
        found = self._zone.get(kind, names["name"])
        changed = RecordSet(
            type=found.type,
            name=found.name,
            ttl=_ttl(properties["TTL"]) if "TTL" in properties else found.ttl,
            records=_records(kind, properties) if TYPES[kind].field in properties else found.records,
            metadata=_metadata(properties) if "metadata" in properties else found.metadata,
        )
        return await self._write(request, changed)

    async def delete(self, request: web.Request, names: Names, kind: str) -> web.Response:
        """Delete a record set: 200, or 204 if there is none."""
        self._check_zone(names)
        async with self._writing:
            was_there = self._zone.delete(kind, names["name"], _condition(request), now=self._arm.lab.clock.now())
            if was_there:
                await self._tell(read_type(kind), read_name(names["name"]), None)
        return web.Response(status=200 if was_there else 204)

    def of_type(self, kind: str) -> Handler:
        """Return the handler of the list of one type."""

        async def listed(request: web.Request, names: Names) -> web.Response:
            self._check_zone(names)
            return self._page(request, self._zone.listing(kind=kind, suffix=_suffix(request)))

        return listed

    async def every(self, request: web.Request, names: Names) -> web.Response:
        """Return the record sets of all types."""
        self._check_zone(names)
        return self._page(request, self._zone.listing(suffix=_suffix(request)))

    async def _write(self, request: web.Request, new: RecordSet) -> web.Response:
        async with self._writing:
            is_new = self._zone.put(new, _condition(request), now=self._arm.lab.clock.now())
            if new.type != "SOA":
                await self._tell(new.type, new.name, new)
        return web.json_response(self._shown(new), status=201 if is_new else 200)

    async def _tell(self, kind: str, name: str, records: RecordSet | None) -> None:
        """Send a change to the name server: now, or later if there is a latency."""
        seconds = self._arm.lab.gate.operation_seconds(PROPAGATION, otherwise=0.0)
        if seconds <= 0:
            await self._server.show(kind, name, records)
            return

        async def later() -> None:
            await asyncio.sleep(seconds)
            await self._server.show(kind, name, records)

        task = asyncio.ensure_future(later())
        self._on_their_way.add(task)
        task.add_done_callback(self._on_their_way.discard)

    def _page(self, request: web.Request, found: Sequence[RecordSet]) -> web.Response:
        top, skip = _number(request, "$top", PAGE_SIZE), _number(request, "$skiptoken", 0)
        page: dict[str, Any] = {"value": [self._shown(one) for one in found[skip : skip + top]]}
        if len(found) > skip + top:
            url = request.url.update_query({"$skiptoken": str(skip + top)})
            page["nextLink"] = f"{self._arm.lab.urls['arm']}{url.path_qs}"
        return web.json_response(page)

    def _shown(self, one: RecordSet) -> dict[str, Any]:
        kind = TYPES[one.type]
        records: object = dict(one.records[0]) if kind.single and one.records else [dict(each) for each in one.records]
        fqdn = self._zone.name if one.name == "@" else f"{one.name}.{self._zone.name}"
        properties: dict[str, Any] = {
            "metadata": dict(one.metadata),
            "TTL": one.ttl,
            "fqdn": f"{fqdn}.",
            "provisioningState": "Succeeded",
            kind.field: records,
        }
        if not one.metadata:
            del properties["metadata"]
        return {
            "id": f"{self.shown_zone()['id']}/{one.type}/{one.name}",
            "name": one.name,
            "type": f"{TYPE}/{one.type}",
            "etag": one.etag,
            "properties": properties,
        }

    def _check_zone(self, names: Names) -> None:
        if names["zone"].lower() != self._zone.name:
            raise resource_not_found(TYPE, names["zone"], self._arm.home.resource_group)


async def _properties(request: web.Request, kind: str) -> dict[str, Any]:
    body = await json_body(request, FIELDS)
    known = {"TTL", "metadata", TYPES[kind].field, *SHOWN}
    return only_fields(body.get("properties", {}), known, "properties")


def _records(kind: str, properties: Mapping[str, Any]) -> tuple[Mapping[str, object], ...]:
    """Return the records of a body; ArmRefusal 400 if they have other fields than the type's."""
    sent = properties.get(TYPES[kind].field)
    if sent is None:
        return ()
    each = [sent] if TYPES[kind].single else sent
    if not isinstance(each, list):
        raise ArmRefusal(400, "BadRequest", f"The value of '{TYPES[kind].field}' is not a list.")
    return tuple(only_fields(one, TYPES[kind].fields, TYPES[kind].field) for one in each)


def _ttl(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ArmRefusal(400, "BadRequest", "The 'TTL' field is required and must be a whole number.")
    return value


def _metadata(properties: Mapping[str, Any]) -> Mapping[str, str]:
    metadata = properties.get("metadata") or {}
    if not isinstance(metadata, dict) or not all(isinstance(one, str) for one in metadata.values()):
        raise ArmRefusal(400, "BadRequest", "The value of 'metadata' is not an object of texts.")
    return metadata


def _condition(request: web.Request) -> Condition:
    return Condition(request.headers.get("If-Match", ""), request.headers.get("If-None-Match", ""))


def _suffix(request: web.Request) -> str:
    return request.query.get("$recordsetnamesuffix", "")


def _number(request: web.Request, name: str, otherwise: int) -> int:
    value = request.query.get(name)
    if value is None:
        return otherwise
    if not value.isdecimal() or (name == "$top" and int(value) < 1):
        raise ArmRefusal(400, "BadRequest", f"The value '{value}' of '{name}' is invalid.")
    return int(value)
