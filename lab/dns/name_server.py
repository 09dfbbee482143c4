"""Knot DNS, the real name server of the zone: start it, empty it, and write record sets into it.

The stand-in sends each change as a dynamic update (RFC 2136), signed with a key that only the stand-in and the server
know. The server answers for the zone as soon as it has confirmed the update. It listens on UDP and TCP of one loopback
port.
"""

import base64
import re
import secrets
from collections.abc import Iterable
from pathlib import Path

import dns.asyncquery
import dns.name
import dns.rcode
import dns.rdataset
import dns.rdatatype
import dns.tsigkeyring
import dns.update
import dns.xfr
import dns.zone

from lab.dns.record_sets import APEX, RecordSet
from lab.machine import tools
from lab.machine.ports import free_ports
from lab.machine.tools import Tool
from lab.real_servers import Ground, RealServer
from lab.shared import Lab

# This is also the name of its folder, of its log, and of its address in Lab.real_urls.
NAME = "dns"
KEY_NAME = "lab."
KEY_FILE = "dns.key"
KEY_BYTES = 32
# The folder of its control socket: its data folder, reached through its working directory. A socket's path has at most
# 107 characters (unix(7)), and the path of a lab's folder may be longer.
RUN_FOLDER = f"/proc/self/cwd/{NAME}"
UPDATE_SECONDS = 30.0
SOA_SECONDS = "3600 300 2419200 300"


class UpdateFailedError(Exception):
    """The name server did not take a change. The text has its answer."""


def _command(ground: Ground) -> Tool:
    tool, zone = tools.knot(), ground.names.dns_zone
    folder = ground.directory / NAME
    folder.mkdir(exist_ok=True)
    key = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
    _write_private(ground.directory / KEY_FILE, key)
    (folder / f"{zone}.zone").write_text(_zone_file(zone))
    configuration = ground.directory / f"{NAME}.conf"
    _write_private(configuration, _configuration(zone, folder, free_ports(1)[0], key))
    return Tool((*tool.command, "-c", str(configuration)), tool.environ)


async def _empty(lab: Lab, directory: Path) -> None:
    await reach(lab, directory).empty()


class NameServer:
    """The running name server of one zone."""

    def __init__(self, *, zone: str, address: str, key: str) -> None:
        """Reach it at `address` (`dns://127.0.0.1@PORT`); `key` signs the updates, in base64."""
        host, _, port = address.removeprefix("dns://").partition("@")
        self.host, self.port = host, int(port)
        self._zone = zone
        self._keys = dns.tsigkeyring.from_text({KEY_NAME: key})

    async def show(self, kind: str, name: str, records: RecordSet | None) -> None:
        """Make the server answer with these records of a type at a name, or with none if `records` is None."""
        update = dns.update.UpdateMessage(self._zone, keyring=self._keys)
        update.delete(name, kind)
        if records is not None and records.records:
            update.add(name, rdataset(records))
        await self._send(update)

    async def empty(self) -> None:
        """Delete everything but the zone's own SOA and NS."""
        update = dns.update.UpdateMessage(self._zone, keyring=self._keys)
        transferred = dns.zone.Zone(self._zone)
        query, _ = dns.xfr.make_query(transferred, keyring=self._keys)
        await dns.asyncquery.inbound_xfr(self.host, transferred, query, port=self.port, lifetime=UPDATE_SECONDS)
        for name, node in transferred.nodes.items():
            for found in node.rdatasets:
                if name != dns.name.empty or found.rdtype not in (dns.rdatatype.SOA, dns.rdatatype.NS):
                    update.delete(name, found.rdtype)
        if update.update:
            await self._send(update)

    async def _send(self, update: dns.update.UpdateMessage) -> None:
        answer = await dns.asyncquery.tcp(update, self.host, port=self.port, timeout=UPDATE_SECONDS)
        if answer.rcode() != dns.rcode.NOERROR:
            raise UpdateFailedError(dns.rcode.to_text(answer.rcode()))


def reach(lab: Lab, directory: Path) -> NameServer:
    """Return the running name server of a lab, whose real servers have their settings in `directory`."""
    key = (directory / KEY_FILE).read_text()
    return NameServer(zone=lab.names.dns_zone, address=lab.real_urls[NAME], key=key)


def configured_address(directory: Path) -> str:
    """Return host:port of the name server whose settings are in `directory`. It may not have started yet."""
    found = re.search(r"listen: (127\.0\.0\.1)@(\d+)", (directory / f"{NAME}.conf").read_text())
    if found is None:
        raise ValueError(f"{NAME}.conf names no address")
    return f"{found[1]}:{found[2]}"


def rdataset(records: RecordSet) -> dns.rdataset.Rdataset:
    """Return the records of a set as the name server takes them. Pure."""
    return dns.rdataset.from_text_list("IN", records.type, records.ttl, list(_texts(records)))


def _texts(records: RecordSet) -> Iterable[str]:
    for one in records.records:
        if records.type == "TXT":
            strings = one["value"]
            assert isinstance(strings, list)  # noqa: S101 - the record set has been checked
            yield " ".join(_quoted(text) for text in strings)
        elif records.type == "CAA":
            yield f"{one['flags']} {one['tag']} {_quoted(str(one['value']))}"
        elif records.type in ("CNAME", "NS"):
            yield f"{str(next(iter(one.values()))).rstrip('.')}."
        else:
            yield str(next(iter(one.values())))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _zone_file(zone: str) -> str:
    return f"""\
$ORIGIN {zone}.
{APEX} 3600 SOA ns1.{zone}. hostmaster.{zone}. 1 {SOA_SECONDS}
{APEX} 172800 NS ns1.{zone}.
"""


def _configuration(zone: str, folder: Path, port: int, key: str) -> str:
    return f"""\
server:
    rundir: {RUN_FOLDER}
    listen: 127.0.0.1@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: {folder}
key:
  - id: {KEY_NAME}
    algorithm: hmac-sha256
    secret: {key}
acl:
  - id: lab
    address: 127.0.0.1
    key: {KEY_NAME}
    action: [update, transfer]
log:
  - target: stdout
    any: info
zone:
  - domain: {zone}
    storage: {folder}
    file: {zone}.zone
    acl: lab
"""


def _write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    file.touch(mode=0o600)
    file.write_text(text)


REAL_SERVER = RealServer(
    name=NAME,
    command=_command,
    # The server logs the address before it answers there. "server started" is the last line of its start.
    listening={NAME: re.compile(r"binding to interface (127\.0\.0\.1@\d+)[\s\S]*server started")},
    scheme="dns",
    empty=_empty,
)
