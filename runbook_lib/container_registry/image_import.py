"""Import into the customer's container registry: from server to server, by digest. No byte passes the sandbox.

The digest that the target's tag has decides, not the state of the long-running operation. Operations have stayed at 202
for an hour after the image had arrived, and have succeeded without an image (docs/azure-facts.md#importing-images). So
the importer reads the tag again and again. It asks the operation only for the reason of a failure, and no more often
than the operation allows. An artifact that is imported without a tag may be there in part from an earlier import: the
caller verifies whether it has arrived.
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from runbook_lib.basics.clock import Clock
from runbook_lib.basics.looks import pause_between_looks
from runbook_lib.container_registry.reader import ContainerRegistryReader
from runbook_lib.errors import container_registry
from runbook_lib.network.retry import AnswerLost
from runbook_lib.vault.publisher_token import PublisherToken

if TYPE_CHECKING:
    from runbook_lib.azure.session import AzureSession
    from runbook_lib.container_registry._import_operation import ImportOperation, ImportOperations

# An import's own deadline. Images of gigabytes take minutes; a job has 3 hours for all of them side by side.
IMPORT_SECONDS = 20 * 60.0
# When an operation is done, or its start got no answer, its image must show within this time.
SETTLE_SECONDS = 15.0
# The bounds of the wait between two reads of the target. The shortest wait is a twentieth of an import of 6 s.
LOOK_MIN_SECONDS = 0.3
LOOK_MAX_SECONDS = 5.0
# One identity may read the data plane 5,000 times a minute (docs/azure-facts.md#importing-images; Basic and Standard).
# The rest is for other reads.
LOOKS_PER_MINUTE = 4000


class Pace:
    """Lets at most `per_minute` calls through in each minute, and half of them at once. Many threads may use it."""

    def __init__(self, *, per_minute: int, clock: Clock) -> None:
        self._rate = per_minute / 2 / 60
        self._burst = per_minute / 2
        self._clock = clock
        self._lock = threading.Lock()
        self._left = self._burst
        self._at = clock.monotonic()

    def wait(self) -> None:
        """Return when it is this call's turn."""
        with self._lock:
            now = self._clock.monotonic()
            self._left = min(self._burst, self._left + (now - self._at) * self._rate) - 1
            self._at = now
            seconds = max(0.0, -self._left / self._rate)
        if seconds:
            self._clock.sleep(seconds)


class ImageImporter:
    """Imports into one container registry. Many threads may use it. `reader` reads the target's data plane."""

    def __init__(self, *, operations: "ImportOperations", reader: ContainerRegistryReader, clock: Clock) -> None:
        self._operations = operations
        self._reader = reader
        self._clock = clock
        self._pace = Pace(per_minute=LOOKS_PER_MINUTE, clock=clock)

    def import_by_digest(self, *, repository: str, tag: str, digest: str) -> None:
        """Import `repository@digest`, move `tag` to it, and return when the target shows that.

        Raises RunbookError VD-IMPORT-001 (missing at the source), -002 (failed), -003 (not in time), -004 (the bytes do
        not match), -005 (the source refuses), -006 (conflict), VD-REGISTRY-003 (the target refuses), the reader's
        errors, and azure.core's if ARM cannot be reached, fails or throttles.
        """
        operation = self._operations.start(source_image=f"{repository}@{digest}", target_tag=f"{repository}:{tag}")
        self._wait(operation, lambda: self._reader.digest_of(repository, tag) == digest)

    def import_untagged(self, *, repository: str, digest: str, arrived: Callable[[], bool]) -> None:
        """Import `repository@digest` without a tag, as for an artifact that refers to another one. Raises the same.

        `arrived` must look at the target for the whole artifact. Its manifest alone proves nothing: an import that
        broke off may have left it there without its blobs.
        """
        operation = self._operations.start(source_image=f"{repository}@{digest}", target_repository=repository)
        self._wait(operation, arrived)

    def _wait(self, operation: "ImportOperation", arrived: Callable[[], bool]) -> None:
        image = operation.image
        started = self._clock.monotonic()
        while True:
            waited = self._clock.monotonic() - started
            self._clock.sleep(pause_between_looks(waited, least=LOOK_MIN_SECONDS, most=LOOK_MAX_SECONDS))
            self._pace.wait()
            if arrived():
                return
            operation.ask()
            now = self._clock.monotonic()
            if operation.over_since is not None and now - operation.over_since > SETTLE_SECONDS:
                if operation.cause is not None:
                    # The image is not there. A second import by digest does no harm.
                    raise operation.cause from AnswerLost(operation.story)
                raise container_registry.IMPORT_FAILED.error(
                    f"{operation.story}, but the image is not there", target=image
                )
            if now - started > IMPORT_SECONDS:
                raise container_registry.IMPORT_TIMED_OUT.error(f"{now - started:.0f} s", target=image)


def image_importer(context: "AzureSession", reader: ContainerRegistryReader, token: PublisherToken) -> ImageImporter:
    """Return an importer into the customer's container registry, which `reader` reads."""
    from runbook_lib.container_registry._import_operation import ImportOperations

    operations = ImportOperations(clients=context.clients, settings=context.settings, token=token, clock=context.clock)
    return ImageImporter(operations=operations, reader=reader, clock=context.clock)
