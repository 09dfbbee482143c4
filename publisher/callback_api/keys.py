"""Find the key that may sign a request to the callback API. Its state is in a table, and its bytes are in the vault.

The state is read at each request, so every process refuses a retired or revoked key at once. A key's bytes never
change: they are kept in memory for a while.
"""

import re
from collections import OrderedDict
from threading import Lock

from publisher.callback_api.outage import named_outage
from publisher.custody.key_records import HmacKeys
from publisher.custody.key_secrets import KeyCustody
from runbook_lib.basics.clock import Clock
from runbook_lib.basics.forms import INSTANCE_ID
from runbook_lib.request_signing.verifier import SignatureRefusedError, UnavailableError

# The number of seconds for which a key's bytes are kept in memory, and the number of keys that are kept. An instance
# has several keys.
KEPT_SECONDS = 300.0
KEPT_KEYS = 4096

# Below the path of the API's address. No letter of it is ever encoded, so each path has only one spelling.
PATH = re.compile(rf"/v1/instances/({INSTANCE_ID[0]})/([a-z]{{1,16}})")


class CallbackKeys:
    """Keys of instances, as a runbook_lib.request_signing.verifier.KeySource. Many threads may use it.

    `keys` has their states, and `custody` their bytes. `base_path` is the path of the API's address, without a slash at
    its end.
    """

    def __init__(self, *, keys: HmacKeys, custody: KeyCustody, base_path: str, clock: Clock) -> None:
        self._keys = keys
        self._custody = custody
        self._base_path = base_path
        self._clock = clock
        self._lock = Lock()
        # By instance and key id: the bytes, and when they are dropped. The oldest first.
        self._kept: OrderedDict[tuple[str, str], tuple[bytes, float]] = OrderedDict()

    def find(self, *, path: str, key_id: str) -> bytes | None:
        """Return the key if it belongs to the path's instance and is accepted now.

        Raises SignatureRefusedError if the path does not have the form of PATH. Raises UnavailableError if an accepted
        key cannot be read: the vault may show a write late.
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
        """Return a key that was read recently. First drop the bytes of all keys that were read earlier."""
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
