"""Clients that open TLS connections to a gateway without a pause while its certificate is renewed."""

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support.application_gateway import open_page

CLIENTS = 3
WAIT_SECONDS = 60.0


@dataclass(slots=True)
class Handshakes:
    """The observations of the clients: which certificate was served, and which connections failed.

    serials: the serial numbers of the certificates in the order of the renewals. settled: how many of the first ones
    may not be served any more.
    """

    serials: list[int]
    settled: int = 0
    done: int = 0
    failed: list[str] = field(default_factory=list)
    _served: list[tuple[int, int]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def wrong(self) -> list[int]:
        """The serial numbers that were served and were not allowed when the connection began."""
        return [serial for begun, serial in self._served if serial not in self.serials[begun:]]

    def renewing(self, serial: int) -> None:
        """Also accept this certificate. Clients may have seen it before this call."""
        self.serials.append(serial)

    def renewed(self) -> None:
        """From now on, accept only the newest certificate."""
        self.settled = len(self.serials) - 1

    def wait_for(self, done: int) -> None:
        """Wait until this number of connections was opened, or one failed."""
        deadline = time.monotonic() + WAIT_SECONDS
        while self.done < done and not self.failed:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def open(self, gateway: str, host: str, trust: ssl.SSLContext) -> None:
        """Open one connection, ask for one page, and record the result."""
        begun = self.settled
        try:
            page = open_page(gateway, host, trust=trust)
        except OSError as error:
            with self._lock:
                self.failed.append(repr(error))
            return
        with self._lock:
            self.done += 1
            self._served.append((begun, page.serial))
            if page.status != 200:
                self.failed.append(f"status {page.status}")


@contextmanager
def handshakes(gateway: str, host: str, trust: ssl.SSLContext, *, serial: int) -> Iterator[Handshakes]:
    """Open connections from several clients until the block ends. serial: the present certificate's serial number."""
    seen, ended = Handshakes([serial]), threading.Event()

    def client() -> None:
        while not ended.is_set():
            seen.open(gateway, host, trust)

    threads = [threading.Thread(target=client, daemon=True) for _ in range(CLIENTS)]
    for each in threads:
        each.start()
    try:
        yield seen
    finally:
        ended.set()
        for each in threads:
            each.join(60)
