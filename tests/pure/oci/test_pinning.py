"""A release definition gets its images' digests from a container registry. Nothing else in it changes."""

import json
import sys
from datetime import datetime, timezone
from typing import Any

import pytest

from oci.release.definition import manifest_of, parse_definition
from oci.release.pinning import ShownImage, different, images_of, pinned
from runbook_lib.errors import RunbookError, build
from vibedata.commands.release import EXAMPLE

ONE, TWO = ShownImage("sha256:" + "1" * 64, 1111), ShownImage("sha256:" + "2" * 64, 2222)
SHOWN = {"vibedata/studio:1.4.0": ONE, "vibedata/control-panel:2.0.1": TWO}


def test_the_example_is_a_release_definition_once_it_is_pinned() -> None:
    content = pinned(EXAMPLE.read_bytes(), SHOWN)
    definition = parse_definition(content)
    assert [(image["digest"], image["size"]) for image in definition.images] == [
        (ONE.digest, ONE.size),
        (TWO.digest, TWO.size),
    ]
    made = manifest_of(
        definition,
        created_at=datetime(2026, 11, 1, tzinfo=timezone.utc),
        runbooks=(),
        packages_digest="sha256:" + "a" * 64,
        documents=(),
    )
    assert json.loads(made)["images"] == list(definition.images)


def test_only_digests_and_sizes_change() -> None:
    before, after = json.loads(EXAMPLE.read_bytes()), json.loads(pinned(EXAMPLE.read_bytes(), SHOWN))
    for image in after["images"]:
        del image["digest"], image["size"]
    assert after == before


def test_an_image_that_is_pinned_already_is_no_difference() -> None:
    content = pinned(EXAMPLE.read_bytes(), SHOWN)
    assert different(images_of(content), SHOWN) == []
    assert pinned(content, SHOWN) == content
    moved = {**SHOWN, "vibedata/studio:1.4.0": TWO}
    assert [image.reference for image in different(images_of(content), moved)] == ["vibedata/studio:1.4.0"]


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"images": {}},
        {"images": ["studio"]},
        {"images": [{"repository": "vibedata/studio"}]},
        {"images": [{"repository": "Studio", "tag": "1"}]},
        {"images": [{"repository": "x" * 256, "tag": "1"}]},
        {"images": [{"repository": "vibedata/studio", "tag": "a b"}]},
    ],
)
def test_what_names_no_image_is_refused(document: Any) -> None:
    with pytest.raises(RunbookError) as refused:
        images_of(json.dumps(document).encode())
    assert refused.value.is_(build.DEFINITION_INVALID)


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(RunbookError) as refused:
        images_of(b"\xff{")
    assert refused.value.is_(build.DEFINITION_INVALID)


def nested(depth: int) -> bytes:
    image = '{"repository": "vibedata/studio", "tag": "1.4.0"}'
    return f'{{"images": [{image}], "policies": {"[" * depth}{"]" * depth}}}'.encode()


def test_nesting_is_kept_as_it_is() -> None:
    written = pinned(nested(250), SHOWN)
    assert json.loads(written)["policies"] == json.loads(nested(250))["policies"]
    assert images_of(written)[0].digest == ONE.digest


def test_what_is_nested_too_deeply_is_refused() -> None:
    refused = []
    for depth in (100, 300, 600, sys.getrecursionlimit()):
        try:
            pinned(nested(depth), SHOWN)
        except RunbookError as error:
            assert error.is_(build.DEFINITION_INVALID) and "nested too deeply" in error.detail
            refused.append(depth)
    assert refused
