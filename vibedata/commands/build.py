"""`vibedata build`: make a release's artifacts, in a folder that any OCI tool reads."""

import argparse
import os
import sys
from datetime import datetime
from pathlib import Path

from oci.build import WHEEL_CACHE, BuildResult, build
from oci.bundling.bundle import MAX_BYTES
from oci.files.reading import FileRefusedError, read_file
from oci.release.definition import MAX_DEFINITION_BYTES
from oci.signing.notary import Signing
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.errors import build as build_errors
from vibedata.output import show, table
from vibedata.release import signing as release_signing

# A warning names at most this number of files that differ from the commit.
MAX_NAMED = 5
PROJECT = Path(__file__).resolve().parents[2]
EXAMPLES = """\
examples:
  vibedata build --release release.json --out dist
  vibedata build --release release.json --out dist --output json
  SOURCE_DATE_EPOCH=1700000000 vibedata build --release release.json --out dist
  vibedata build --release release.json --out dist --signing-key key.pem --signing-chain chain.pem

a release definition (`vibedata release init FILE` writes one, `vibedata release pin FILE` fills in the digests):
  {"version": "2026.11.0", "channel": "stable", "valid_days": 365,
   "images": [{"name": "studio", "repository": "vibedata/studio", "tag": "1.4", "digest": "sha256:...", "size": 1234}],
   "components": [{"name": "studio", "type": "application", "version": "1.4", "artifact": "studio",
                   "resource_type": "Microsoft.App/containerApps", "resource_name": "studio", "depends_on": [],
                   "health": {"kind": "http", "path": "/healthz", "expected_status": 200, "timeout_seconds": 5}}],
   "policies": {"networkRetryPolicies": {"max_retries": 3, "delay_seconds": 2}}}

The same commit and definition give the same bytes on every machine and at any time. The release has its commit's
time; SOURCE_DATE_EPOCH gives another. The folder holds an OCI image layout (oci-layout, index.json, blobs/) and
the built runbooks as plain text (runbooks/*.py). A new build replaces the former build in the folder as a whole.

The signing key stays in a Key Vault: --signing-key takes its id, https://VAULT/keys/NAME/VERSION. For tests it takes a
PEM file. Only the signature is new in each build: it has its own time, and ECDSA and RSA-PSS are randomised.
Without key and chain the release is unsigned: you can look at it, but `vibedata push` refuses it.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `build` to the command line."""
    parser = subparsers.add_parser(
        "build",
        help="build a release: runbooks, packages, release manifest",
        description="Build a release: each runbook in one file, the locked packages, and the release manifest.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--release",
        type=Path,
        required=True,
        metavar="FILE",
        help="the release definition: JSON with version, channel, valid_days, images, components, policies",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to write the release to")
    parser.add_argument(
        "--wheels",
        type=Path,
        default=PROJECT / WHEEL_CACHE,
        metavar="DIR",
        help="the folder that keeps downloaded packages for later builds (default: .tools/wheels)",
    )
    release_signing.add_options(parser, os.environ)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Build and return the exit code."""
    stream = sys.stderr if arguments.output == "json" else sys.stdout

    def on_step(step: str) -> None:
        stream.write(f"{step}\n")
        stream.flush()

    # Check the signing key before the build, which takes long.
    signing = release_signing.signing(arguments, os.environ, SYSTEM_CLOCK)
    built = build(
        _definition(arguments.release),
        root=PROJECT,
        out=Path(os.path.realpath(arguments.out)),
        wheel_cache=Path(os.path.realpath(arguments.wheels)),
        environ=os.environ,
        on_step=on_step,
        signing=signing,
    )
    warnings = _warnings(built, signing)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr, flush=True)  # noqa: T201 - what a command says
    result = _as_json(built) | {"signature": _signature(built, signing), "warnings": warnings}
    show(arguments.output, result=result, text=_as_text(built, signing))
    return 0


def _definition(path: Path) -> bytes:
    try:
        return read_file(path, max_bytes=MAX_DEFINITION_BYTES)
    except FileRefusedError as error:
        remedy = "Give the path of a file that can be read: --release FILE. `vibedata build --help` shows an example."
        raise build_errors.DEFINITION_INVALID.error(str(error), target=str(path), remedy=remedy) from error


def _as_json(built: BuildResult) -> dict[str, object]:
    return {
        "status": "succeeded",
        "version": built.version,
        "folder": str(built.folder),
        "commit": built.commit.commit,
        "uncommitted_changes": built.commit.changed,
        "different_files": list(built.commit.different),
        "manifest_digest": built.manifest_digest,
        "artifacts": dict(built.artifacts),
        "runbook_bytes": dict(built.sizes),
        "packages": built.packages,
    }


def _signature(built: BuildResult, signing: Signing | None) -> dict[str, str] | None:
    if signing is None:
        return None
    leaf = signing.chain.leaf
    return {
        "digest": built.signature,
        "algorithm": signing.chain.algorithm.name,
        "subject": leaf.subject,
        "fingerprint": leaf.fingerprint,
        "valid_until": _time(signing.chain.valid_until),
    }


def _warnings(built: BuildResult, signing: Signing | None) -> list[str]:
    """Return the warnings about a release.

    Customers will refuse it, sources differ from the commit, or its certificates expire before the release does.
    """
    changes = _changes(built)
    if signing is None:
        unsigned = "the release is not signed: `vibedata push` refuses it; give --signing-key and --signing-chain"
        return [unsigned, *changes]
    end = signing.chain.valid_until
    if end >= built.expires_at:
        return changes
    return [
        *changes,
        f"the release expires at {_time(built.expires_at)}, but its signature's certificates at {_time(end)}",
    ]


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _as_text(built: BuildResult, signing: Signing | None) -> str:
    sizes = [(name, f"{size:,}", f"{size / MAX_BYTES:.0%}") for name, size in built.sizes.items()]
    return (
        table(f"release {built.version} in {built.folder}", ("artifact", "digest"), list(built.artifacts.items()))
        + table("built runbooks", ("runbook", "bytes", "of Automation's limit"), sizes)
        + f"{built.packages} packages; {_sources(built)}; {_signed(signing)}\n"
    )


def _signed(signing: Signing | None) -> str:
    if signing is None:
        return "not signed"
    return f"signed by {signing.chain.leaf.subject} with {signing.chain.algorithm.name}"


def _sources(built: BuildResult) -> str:
    if not built.commit.commit:
        return "built outside a clone"
    changed = ", with changes that are not committed: nobody else can build the same" if built.commit.changed else ""
    return f"built from commit {built.commit.commit[:12]}{changed}"


def _changes(built: BuildResult) -> list[str]:
    """Return a warning if sources differ from the commit."""
    files = built.commit.different
    if not files:
        return []
    named = ", ".join(files[:MAX_NAMED]) + (f" and {len(files) - MAX_NAMED} more" if len(files) > MAX_NAMED else "")
    return [f"these files differ from commit {built.commit.commit[:12]}, so nobody else can build the same: {named}"]
