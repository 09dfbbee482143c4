"""`vibedata release`: make a release definition, and pin its images."""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path

import oci
from oci.files.reading import FileRefusedError, read_file
from oci.files.writing import write_file
from oci.release.definition import MAX_DEFINITION_BYTES
from oci.release.pinning import MAX_NAMED, DefinedImage, ShownImage, different, images_of, pinned
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.container_registry.reader import MAX_MANIFEST_BYTES, ContainerRegistryReader, new_reader
from runbook_lib.container_registry.wire import PUBLISHER
from runbook_lib.errors import build
from runbook_lib.workers import side_by_side
from vibedata.output import show, table
from vibedata.release.check import LOOKUPS_AT_ONCE
from vibedata.release.publisher_registry import add_login, default_host, open_wire, token_source

EXAMPLE = Path(oci.__file__).parent / "release-definition.example.json"
WHAT = "the release definition"
EXAMPLES = """\
examples:
  vibedata release init release.json          write an example, to be edited
  vibedata release pin release.json --plan    show which digests have changed
  vibedata release pin release.json           fill in the digest and the size of each image, by its tag

A release pins images by digest. `pin` asks the publisher's container registry what each tag stands for now. It writes
nothing if an image is missing there. `vibedata build --release release.json --out dist` comes next.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `release` to the command line."""
    parser = subparsers.add_parser(
        "release",
        help="make a release definition, and pin its images by digest",
        description="Make a release definition, the input of `vibedata build`, and pin its images by digest.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    init = actions.add_parser("init", help="write an example of a release definition to a new file")
    init.add_argument("file", type=Path, metavar="FILE", help="the new file")
    pin = actions.add_parser("pin", help="fill in each image's digest and size from a container registry")
    pin.add_argument("file", type=Path, metavar="FILE", help="the release definition; it is rewritten as a whole")
    pin.add_argument("--plan", action="store_true", help="show the changes, but make none")
    pin.add_argument("--from", dest="host", default=default_host(), metavar="HOST", help="the container registry")
    add_login(pin)
    init.set_defaults(carry_out=_init)
    pin.set_defaults(carry_out=_pin)


def run(arguments: argparse.Namespace) -> int:
    """Do what the action says and return the exit code."""
    code: int = arguments.carry_out(arguments)
    return code


def _init(arguments: argparse.Namespace) -> int:
    if os.path.lexists(arguments.file):
        raise build.DEFINITION_INVALID.error(
            "the file is there already", target=str(arguments.file), remedy="Name a file that does not exist yet."
        )
    write_file(arguments.file, EXAMPLE.read_bytes(), what=WHAT)
    text = f"wrote {arguments.file}; edit it, push its images, then: vibedata release pin {arguments.file}\n"
    show(arguments.output, result={"status": "succeeded", "file": str(arguments.file)}, text=text)
    return 0


def _pin(arguments: argparse.Namespace) -> int:
    content = _read(arguments.file)
    images = images_of(content)
    wire = open_wire(arguments.host, PUBLISHER, option="--from HOST")
    reader = new_reader(wire, token_source(arguments, os.environ, wire), SYSTEM_CLOCK)
    reader.expect({image.repository for image in images})
    shown = _look(reader, images)
    changed = different(images, shown)
    if changed and not arguments.plan:
        write_file(arguments.file, pinned(content, shown), what=WHAT)
    status = "unchanged" if not changed else "planned" if arguments.plan else "succeeded"
    result = {
        "status": status,
        "file": str(arguments.file),
        "changes": [
            {
                "image": image.reference,
                "before": image.digest,
                "after": shown[image.reference].digest,
                "size": shown[image.reference].size,
            }
            for image in changed
        ],
        "unchanged": len(images) - len(changed),
    }
    show(arguments.output, result=result, text=_text(arguments, changed, shown, len(images)))
    return 0


def _read(path: Path) -> bytes:
    try:
        return read_file(path, max_bytes=MAX_DEFINITION_BYTES)
    except FileRefusedError as error:
        remedy = f"`vibedata release init {path}` writes an example."
        raise build.DEFINITION_INVALID.error(str(error), target=str(path), remedy=remedy) from error


def _look(reader: ContainerRegistryReader, images: tuple[DefinedImage, ...]) -> Mapping[str, ShownImage]:
    """Return the facts that the container registry shows about each image.

    Raises RunbookError VD-PUSH-003 if an image is missing.
    """

    def look(image: DefinedImage) -> ShownImage | None:
        found = reader.manifest(image.repository, image.tag, MAX_MANIFEST_BYTES)
        return None if found is None else ShownImage(found.digest, len(found.content))

    found = side_by_side(look, images, at_once=LOOKUPS_AT_ONCE)
    missing = [image.reference for image, there in zip(images, found, strict=True) if there is None]
    if missing:
        more = f" and {len(missing) - MAX_NAMED} more" if len(missing) > MAX_NAMED else ""
        raise build.IMAGES_MISSING.error(", ".join(missing[:MAX_NAMED]) + more, target=reader.login_server)
    return {image.reference: there for image, there in zip(images, found, strict=True) if there is not None}


def _text(
    arguments: argparse.Namespace, changed: list[DefinedImage], shown: Mapping[str, ShownImage], count: int
) -> str:
    rows = [
        (image.reference, image.digest or "-", shown[image.reference].digest, shown[image.reference].size)
        for image in changed
    ]
    verb = "would pin" if arguments.plan else "pinned"
    last = f"{verb} {len(changed)} images anew, {count - len(changed)} were right\n"
    if not rows:
        return last
    return table(f"images of {arguments.file}", ("image", "before", "after", "bytes"), rows) + last
