"""Which key may sign a request to the callback API: its state from the table at each request, its bytes from the vault.

States are read each time, so that a key that is retired or revoked is refused at once, by every process. A key's bytes
never change: they are kept in memory for a while.
"""

import re
from collections import OrderedDict
from threading import Lock

from publisher.callback_api.outage import named_outage
from publisher.custody.key_records import HmacKeys
from publisher.custody.key_secrets import KeyCustody
from runbook_lib.basics.clock import Clock
from runbook_lib.request_signing.verifier import SignatureRefusedError, UnavailableError

# How long a key's bytes are used, in seconds, and how many keys' are kept at most: some for each instance.
KEPT_SECONDS = 300.0
KEPT_KEYS = 4096

# Below the path of the API's address. No letter of it is ever encoded, so that a path has one spelling.
PATH = re.compile(r"/v1/instances/([a-z0-9][a-z0-9-]{0,62})/([a-z]{1,16})")


class CallbackKeys:
    """Keys of instances, as runbook_lib.request_signing.verifier.KeySource; for use by many threads.

    Parameters: keys, their states; custody, their bytes; base_path, the path of the API's address, without a slash at
    its end; clock.
    """

    def __init__(self, *, keys: HmacKeys, custody: KeyCustody, base_path: str, clock: Clock) -> None:
        self._keys = keys
        self._custody = custody
        self._base_path = base_path
        self._clock = clock
        self._lock = Lock()
        # By instance and key id: the bytes, and until when they are kept. The oldest first.
        self._kept: OrderedDict[tuple[str, str], tuple[bytes, float]] = OrderedDict()

    def find(self, *, path: str, key_id: str) -> bytes | None:
        """Return the key if it is the path's instance's and accepted now.

        Raises SignatureRefusedError if the path has not the form of PATH, and UnavailableError: a key that is
        accepted and cannot be read is an outage, as the vault's reads may lag behind its writes.
        """
        found = PATH.fullmatch(path.removeprefix(self._base_path)) if path.startswith(self._base_path) else None
        if found is None:
            raise SignatureRefusedError("path")
        instance_id = found.group(1)
        with named_outage("the states of keys"):
            record = self._keys.read(instance_id, key_id)
        if record is None or not record.accepted(self._clock.now()):
            return None
        key = self._remembered(instance_id, key_id)
        if key is None:
            with named_outage("the vault"):
                key = self._custody.read(instance_id, key_id)
            if key is None:
                raise UnavailableError("a key that is accepted is not in the vault, or disabled there")
            self._remember(instance_id, key_id, key)
        return key

    def _remembered(self, instance_id: str, key_id: str) -> bytes | None:
        """Return a key that was read lately; what was read earlier, whosever it is, is dropped first."""
        now = self._clock.monotonic()
        with self._lock:
            while self._kept and next(iter(self._kept.values()))[1] <= now:
                self._kept.popitem(last=False)
            return self._kept.get((instance_id, key_id), (None, 0.0))[0]

    def _remember(self, instance_id: str, key_id: str, key: bytes) -> None:
        with self._lock:
            self._kept.pop((instance_id, key_id), None)
            self._kept[instance_id, key_id] = (key, self._clock.monotonic() + KEPT_SECONDS)
            while len(self._kept) > KEPT_KEYS:
                self._kept.popitem(last=False)
