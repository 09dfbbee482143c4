"""The component registry's schema: tables, columns, keys, limits, rows and batches. Pure.

Tables of the managed application's storage account (docs/design.md#the-component-registry):

    Schema       schema / version              schemaVersion
    Schema       schema / identity             IDENTITY_COLUMNS; written once
    Components   type / name                   COMPONENT_COLUMNS, the health columns, registeredAt, updatedAt
    Resources    resource type / name          RESOURCE_COLUMNS, registeredAt, updatedAt
    Policies     policy / name                 the policy's own columns
    Releases     release / version             RELEASE_COLUMNS, registeredAt, updatedAt
    Credentials  kind / id                     CREDENTIAL_COLUMNS, registeredAt, updatedAt; never a secret

A row names the columns that it sets. Other columns of the entity belong to other code (health to check_health), and the
row does not change them. Times are not compared, so an equal entity is not written again. Rows are compared column by
column: the next run fills a column that a newer schema adds.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from runbook_lib.component_registry.policies import POLICIES
from runbook_lib.errors import component_registry

SCHEMA, COMPONENTS, RESOURCES = "Schema", "Components", "Resources"
RELEASES, CREDENTIALS = "Releases", "Credentials"
TABLES = (SCHEMA, COMPONENTS, RESOURCES, POLICIES, RELEASES, CREDENTIALS)
# The schema that this runbook knows. The number is raised if an older runbook could misread or damage newer rows.
SCHEMA_VERSION = 1
SCHEMA_KEY = ("schema", "version")
# The row with the instance's identity: runbook_lib.component_registry.identity.
IDENTITY_KEY = ("schema", "identity")

# Columns that a bootstrap compares and writes.
COMPONENT_COLUMNS = (
    "version",
    "artifactDigest",
    "resourceId",
    "endpoint",
    "dependsOn",
    "state",
    "discoveredVersion",
    "drift",
    "healthKind",
    "healthPath",
    "healthExpectedStatus",
    "healthTimeoutSeconds",
)
RESOURCE_COLUMNS = ("resourceId", "kind", "location", "sku", "tags", "provisioningState", "createdAt", "state")
RELEASE_COLUMNS = ("digest", "channel", "createdAt", "expiresAt", "state")
# The last three columns: the unfinished rotation, its state, and the time when it may be finished.
CREDENTIAL_COLUMNS = ("state", "notBefore", "expires", "rotationId", "rotationState", "retireAfter")
POLICY_COLUMNS = ("max_retries", "delay_seconds")
IDENTITY_COLUMNS = ("instanceId", "subscriptionId", "managedResourceGroup")
SCHEMA_COLUMNS = ("schemaVersion", *IDENTITY_COLUMNS)
COLUMNS: Mapping[str, tuple[str, ...]] = {
    SCHEMA: SCHEMA_COLUMNS,
    COMPONENTS: COMPONENT_COLUMNS,
    RESOURCES: RESOURCE_COLUMNS,
    POLICIES: POLICY_COLUMNS,
    RELEASES: RELEASE_COLUMNS,
    CREDENTIALS: CREDENTIAL_COLUMNS,
}
REGISTERED, VANISHED = "registered", "vanished"
# The partition of table Components for alert rules, schedule and log. No release names these rows, and only
# check_health writes them.
OBSERVABILITY = "observability"
CURRENT: Final = "current"
FORMER = "former"

# Table Storage's limits (docs/azure-facts.md#table-storage).
MAX_BATCH_ROWS = 100
MAX_BATCH_BYTES = 4 * 1024 * 1024
MAX_ENTITY_BYTES = 1024 * 1024
MAX_KEY_CHARACTERS = 1024
# A text property holds 64 KiB of UTF-16. The rest is for the mark that shows a cut text.
MAX_TEXT_UNITS = 32_000
CUT_MARK = " ... (cut)"
# The size of a batch's part without its entity's JSON: boundaries, headers, and the account's address.
PART_BYTES = 1500
# Longer digests would fill the log. At this length two batches of a run do not have the same digest by chance.
_HASH_BYTES = 16

Value = str | int | float
Entity = Mapping[str, object]
Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What must be recorded. `columns` are compared, and written if they differ. `at_first` is written with them if the
    row is new, or returns after it was gone.
    """

    table: str
    partition: str
    name: str
    columns: Mapping[str, Value]
    at_first: Mapping[str, Value] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """Partition and row key."""
        return self.partition, self.name

    @property
    def marks_gone(self) -> bool:
        """Whether the row marks an entity that is gone. If the table has no such entity, nothing needs a mark."""
        return self.columns.get("state") in (VANISHED, FORMER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An entity as it was listed. `content` is the result of `digest_of_columns` for the COLUMNS of its table."""

    etag: str
    state: str
    content: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Rows of one partition, in the order of their row keys. Either all are written or none."""

    target: str
    rows: tuple[Row, ...]

    @property
    def table(self) -> str:
        """The table of all rows."""
        return self.rows[0].table

    @property
    def partition(self) -> str:
        """The partition of all rows."""
        return self.rows[0].partition

    @property
    def wanted(self) -> str:
        """What `seen` returns when all rows are recorded as wanted."""
        return self._told({row.name: row.columns for row in self.rows})

    def seen(self, entities: Mapping[str, Entity]) -> str | None:
        """Return the recorded state of the columns that the batch sets, None for nothing. `entities` are by row key."""
        return self._told(entities) if entities else None

    def unlike(self, entities: Mapping[str, Entity]) -> tuple[Row, ...]:
        """Return the rows that the entities do not match."""
        return tuple(row for row in self.rows if not _is_like(row, entities.get(row.name)))

    def _told(self, entities: Mapping[str, Entity]) -> str:
        found = [
            [row.name, [entities[row.name].get(column) for column in sorted(row.columns)]]
            for row in self.rows
            if row.name in entities
        ]
        digest = hashlib.sha256(_json(found)).hexdigest()
        return f"{len(found)} rows, sha256:{digest}"


def _is_like(row: Row, entity: Entity | None) -> bool:
    if entity is None:
        return row.marks_gone
    return all(entity.get(column) == value for column, value in row.columns.items())


def check_schema(entity: Entity) -> None:
    """Check that this runbook may write where table Schema holds `entity` under SCHEMA_KEY.

    Raises RunbookError VD-COMPONENT-003.
    """
    version = entity.get("schemaVersion")
    if type(version) is not int or version > SCHEMA_VERSION:
        seen = version if type(version) is int else "no whole number"
        raise component_registry.SCHEMA_IS_NEWER.error(f"it is {seen}; this runbook knows {SCHEMA_VERSION}")


def digest_of_columns(columns: Entity, names: Sequence[str]) -> bytes:
    """Return a digest of the values of `names` in `columns`."""
    return hashlib.sha256(_json([columns.get(name) for name in names])).digest()[:_HASH_BYTES]


def _json(value: object) -> bytes:
    """Return the JSON of values from a table. A column that somebody else wrote may hold bytes, a date or a GUID."""
    return json.dumps(value, default=lambda other: [type(other).__name__, repr(other)]).encode()


def changed(rows: Iterable[Row], recorded: Mapping[Key, Recorded]) -> Iterator[Row]:
    """Yield the rows that differ from the recorded ones. `recorded` is from the same table."""
    for row in rows:
        known = recorded.get(row.key)
        if known is None or known.content != digest_of_columns(row.columns, COLUMNS[row.table]):
            yield row


def batches(rows: Iterable[Row]) -> tuple[Batch, ...]:
    """Return the rows in batches within Table Storage's limits.

    Raises RunbookError VD-COMPONENT-004 if one cannot be recorded at all.
    """
    made = []
    ordered = sorted(rows, key=lambda row: (row.table, *row.key))
    for (table, partition), group in groupby(ordered, key=lambda row: (row.table, row.partition)):
        parts = list(_parts(group))
        for number, part in enumerate(parts, start=1):
            made.append(Batch(target=f"{table} {partition} {number}/{len(parts)}", rows=tuple(part)))
    return tuple(made)


def _parts(rows: Iterable[Row]) -> Iterator[list[Row]]:
    part: list[Row] = []
    size = 0
    for row in rows:
        needed = _request_bytes(row)
        if part and (len(part) == MAX_BATCH_ROWS or size + needed > MAX_BATCH_BYTES):
            yield part
            part, size = [], 0
        part.append(row)
        size += needed
    yield part


def _request_bytes(row: Row) -> int:
    """Return an upper limit for the row's bytes in a request. Its keys are there twice, once percent-encoded."""
    _check_size(row)
    columns = json.dumps({**row.columns, **row.at_first})
    return len(columns) + PART_BYTES + 4 * (len(row.partition) + len(row.name)) + len(row.columns) * 40


def _check_size(row: Row) -> None:
    where = f"{row.table} {row.partition}/{row.name}"[:MAX_KEY_CHARACTERS]
    if max(len(row.partition), len(row.name)) > MAX_KEY_CHARACTERS:
        raise component_registry.ENTITY_TOO_LARGE.error(
            f"its key is over {MAX_KEY_CHARACTERS} characters", target=where
        )
    size = _entity_bytes(row)
    if size > MAX_ENTITY_BYTES:
        raise component_registry.ENTITY_TOO_LARGE.error(
            f"it has {size} bytes; at most {MAX_ENTITY_BYTES} fit", target=where
        )


def _entity_bytes(row: Row) -> int:
    """Return an entity's size as Table Storage counts it: two bytes a character, names included."""
    size = 4 + 2 * (len(row.partition) + len(row.name))
    for name, value in {**row.columns, **row.at_first}.items():
        size += 8 + 2 * len(name) + (4 + len(value.encode("utf-16-le")) if isinstance(value, str) else 8)
    return size


def fit(text: str | None) -> str:
    """Return a text that a property can hold: "" for None, a long text cut, and half a character replaced."""
    units = (text or "").encode("utf-16-le", "replace")
    if len(units) <= 2 * MAX_TEXT_UNITS:
        return units.decode("utf-16-le")
    return units[: 2 * MAX_TEXT_UNITS].decode("utf-16-le", "ignore") + CUT_MARK


# A key may not hold / \ # ? or control characters. Only ASCII sorts in the same way everywhere.
_NOT_IN_KEYS = re.compile(r"[^ -~]|[\\#?|~]")


_KEY = re.compile(r"[ !\"$-.0->@-\[\]-~]{1,1024}")


def is_key(text: object) -> bool:
    """Whether a key has the form of `key_of`. Only such keys sort in a table as they do here."""
    return isinstance(text, str) and _KEY.fullmatch(text) is not None


def key_of(name: str) -> str:
    """Return a name as a key. `/` becomes `|`. Another character that a key may not hold becomes `~` and its code."""
    return _NOT_IN_KEYS.sub(lambda found: f"~{ord(found.group()):x}.", name).replace("/", "|")
