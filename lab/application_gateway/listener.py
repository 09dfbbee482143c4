"""The gateway's listener: when it reads the vault, which certificate it serves, and the control API.

The listener starts when a client writes the gateway or its policy, or when a test or the demo asks for it. Its address
is in lab.env from the start, as VIBEDATA_GATEWAY.

Faithful: the listener reads the vault every four hours by the lab's clock, and at each write of the gateway; it serves
a renewed certificate without a write; if the customer makes the certificate unreadable, the TLS listener is disabled
until the gateway can read it again; if the vault does not answer, nothing changes; a stopped gateway does not listen.
UNCONFIRMED: that a write reads the vault at once. A reset or the restore of a snapshot ends the listener.

    GET  /gateway    {"listening", "http", "https", "serial", "reason"}: the addresses; the serial number of the served
                     certificate in hexadecimal digits, "" if the TLS listener is disabled; why the last read failed
    POST /gateway    one of {"listen": true}: start the listener. {"poll": true}: read the vault now.
                     {"poll_seconds": 60}: from now on, read the vault every 60 seconds by the lab's clock

Source: learn application-gateway/key-vault-certs, application-gateway-key-vault-common-errors.
"""

import asyncio
import contextlib
import logging
import socket
from pathlib import Path

from lab.application_gateway import vault_certificate
from lab.application_gateway.configuration import Addresses, Wanted, files, wanted
from lab.application_gateway.gateway import TYPE
from lab.application_gateway.proxy import Proxy
from lab.application_gateway.vault_certificate import Served, UnreadableError
from lab.arm.resources import ManagedResources
from lab.front.faults import MAX_SECONDS, InvalidFaultError
from lab.resource_group.resources import resource_id
from lab.shared import Lab

LOGGER = logging.getLogger("lab")
# "polls the key vault at four-hour intervals" (learn application-gateway/key-vault-certs).
POLL_SECONDS = 4 * 3600.0
LOOK_SECONDS = 0.5  # how often it looks whether the lab's clock has come to the next poll


class Listener:
    """The listener of one gateway."""

    def __init__(self, lab: Lab, managed: ManagedResources, directory: Path) -> None:
        """Keep two ports for it. `directory` gets the proxy's files."""
        self._lab, self._managed = lab, managed
        self._proxy = Proxy(directory)
        # These sockets are bound but never listen. They keep the ports for the proxy.
        self._kept = [_bound(), _bound()]
        http, https = (f"127.0.0.1:{one.getsockname()[1]}" for one in self._kept)
        self.addresses = Addresses(http=http, https=https, ca_file=str(lab.ca_file))
        self._changing = asyncio.Lock()
        self._polling: asyncio.Task[None] | None = None
        self._served: Served | None = None
        self._reason = ""
        self._poll_seconds = POLL_SECONDS
        self._next_poll = 0.0
        # The configuration of the running proxy, and its number.
        self._told: tuple[Wanted, bool] | None = None
        self._number = 0

    async def view(self, _body: object) -> object:
        """Answer GET /gateway."""
        serial = "" if self._served is None else f"{self._served.leaf.serial_number:x}"
        at = self.addresses
        listening = self._proxy.running
        return {"listening": listening, "http": at.http, "https": at.https, "serial": serial, "reason": self._reason}

    async def change(self, body: object) -> object:
        """Answer POST /gateway."""
        fields = body if isinstance(body, dict) else {}
        if fields == {"listen": True}:
            await self.wake()
        elif fields == {"poll": True} and self._polling is not None:
            await self.follow()
        elif set(fields) == {"poll_seconds"}:
            seconds = fields["poll_seconds"]
            if type(seconds) not in (int, float) or not 0 < seconds <= MAX_SECONDS:
                raise InvalidFaultError(f"poll_seconds is {seconds!r}; it takes a number up to {MAX_SECONDS}")
            self._poll_seconds = float(seconds)
            self._next_poll = self._lab.clock.now() + self._poll_seconds
        else:
            raise InvalidFaultError(
                'gateway takes {"listen": true}, {"poll_seconds"}, or, if it listens, {"poll": true}'
            )
        return await self.view(None)

    async def wake(self) -> None:
        """Start the listener if it does not run, and apply the present gateway, policy and certificate."""
        if self._polling is None:
            self._polling = asyncio.ensure_future(self._poll())
        await self.follow()

    async def follow(self) -> None:
        """Read the vault, and apply the present gateway, policy and certificate. Do nothing if it does not run."""
        if self._polling is None:
            return
        async with self._changing:
            self._next_poll = self._lab.clock.now() + self._poll_seconds
            lab = self._lab
            name = f"{lab.names.prefix}-gateway"
            gateway = self._managed.get(resource_id(lab, TYPE, name))
            if gateway is None or gateway["properties"]["operationalState"] == "Stopped":
                await self._end()
                return
            policy = (gateway["properties"].get("firewallPolicy") or {}).get("id", "")
            await self._apply(wanted(gateway, self._managed.get(policy)))

    async def _apply(self, asked: Wanted) -> None:
        before = self._served
        self._served = await self._read(asked.secret)
        told = asked, self._served is not None
        if self._served is not None and self._served != before:
            if self._proxy.running and told == self._told:
                await self._proxy.exchange_certificate(self._served.pem)
            else:
                self._proxy.write_certificate(self._served.pem)
        if not self._proxy.running or told != self._told:
            self._number += 1
            made = files(asked, self.addresses, certificate=told[1], number=self._number)
            await self._proxy.configure(made, self._number)
            self._told = told

    async def _read(self, secret: str) -> Served | None:
        """Return the certificate to serve from now on, None if the customer has made it unreadable."""
        self._reason = ""
        try:
            return await vault_certificate.read(self._lab, secret) if secret else None
        except UnreadableError as error:
            self._reason = error.reason
            return None if error.lasting else self._served

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._lab.clock.now() >= self._next_poll:
                try:
                    await self.follow()
                except Exception:  # one failed look must not end the polling
                    LOGGER.exception("the gateway's listener failed")

    async def _end(self) -> None:
        await self._proxy.stop()
        self._served, self._told, self._reason = None, None, ""

    async def stop(self) -> None:
        """End the listener, and return to the settings of the start. The listener can start again."""
        if self._polling is not None:
            self._polling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._polling
        async with self._changing:
            self._polling, self._poll_seconds = None, POLL_SECONDS
            await self._end()


def _bound() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", 0))
    return made
