"""Make an in-toto statement with SLSA provenance (slsa.dev/spec/v1.0/provenance): how a release was built. Pure.

The same sources and definition give the same bytes: the statement names no machine, no time, and no run.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.json_format import MessageToDict
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement

from oci.bundling.source_tree import LOCK_FILE, Commit
from oci.layout.writer import canonical
from runbook_lib.basics.digest import hex_of

MEDIA_TYPE = "application/vnd.in-toto+json"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
# These are names, not addresses. docs/publishing.md says what they mean.
BUILD_TYPE = "https://vibedata.ai/build/release/v1"
BUILDER = "https://vibedata.ai/build/vibedata-build/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The sources of a release. `definition` is its canonical JSON, and `lock` are the bytes of packages.lock."""

    commit: Commit
    definition: bytes
    lock: bytes


def provenance(*, version: str, channel: str, source: Source, artifacts: Sequence[tuple[str, str]]) -> bytes:
    """Return the statement as canonical JSON.

    `artifacts` are the name and the digest (sha256:HEX) of each artifact that was built.
    """
    predicate = Provenance()
    definition = predicate.build_definition
    definition.build_type = BUILD_TYPE
    definition.external_parameters.update({"version": version, "channel": channel})
    definition.resolved_dependencies.extend(dependency.pb for dependency in _dependencies(source))
    predicate.run_details.builder.id = BUILDER
    statement = Statement(
        [ResourceDescriptor(name=name, digest=_sha256(digest)).pb for name, digest in artifacts],
        PREDICATE_TYPE,
        MessageToDict(predicate),
    )
    statement.validate()
    return canonical(MessageToDict(statement.pb))


def _dependencies(source: Source) -> list[ResourceDescriptor]:
    """Return the dependencies. The sources are left out if there is no commit, because nobody could look them up."""
    commit = []
    if source.commit.commit:
        changed = {"uncommitted_changes": True} if source.commit.changed else {}
        commit = [ResourceDescriptor(name="source", digest={"gitCommit": source.commit.commit}, annotations=changed)]
    return [
        *commit,
        ResourceDescriptor(name="release-definition", digest=_digest_of(source.definition)),
        ResourceDescriptor(name=LOCK_FILE, digest=_digest_of(source.lock)),
    ]


def _digest_of(content: bytes) -> dict[str, str]:
    return {"sha256": hashlib.sha256(content).hexdigest()}


def _sha256(digest: str) -> dict[str, str]:
    return {"sha256": hex_of(digest)}
