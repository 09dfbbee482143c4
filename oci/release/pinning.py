"""Pin the images of a release definition: fill in the digest and the size that a container registry shows. Pure.

A pipeline knows an image by its tag, and a release pins it by its digest. The definition keeps the tag for people.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runbook_lib.basics import strict_json
from runbook_lib.errors import build
from runbook_lib.release.manifest import MAX_REPOSITORY, REPOSITORY_NAME, TAG

# An error names at most this number of images.
MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class DefinedImage:
    """An image in a definition.

    `digest` and `size` are those of the image's manifest, and `size` is in bytes. They are None if the definition does
    not have them yet.
    """

    repository: str
    tag: str
    digest: str | None
    size: int | None

    @property
    def reference(self) -> str:
        """Repository and tag."""
        return f"{self.repository}:{self.tag}"


@dataclass(frozen=True, slots=True)
class ShownImage:
    """An image as the container registry shows it. `size` is the size of the image's manifest in bytes."""

    digest: str
    size: int


def images_of(content: bytes) -> tuple[DefinedImage, ...]:
    """Return the images of a definition, which may lack digests and sizes.

    Raises RunbookError VD-BUILD-001 if the definition is not JSON or has no list of images, or if an image has no valid
    repository or tag.
    """
    return tuple(_image(index, entry) for index, entry in enumerate(_entries(_document(content))))


def pinned(content: bytes, shown: Mapping[str, ShownImage]) -> bytes:
    """Return the definition with the digests and sizes in `shown`. Other fields stay.

    `shown` has each image by its `repository:tag`. Raises the same errors as `images_of`, and KeyError for an image
    that `shown` lacks.
    """
    document = _document(content)
    for image, entry in zip(images_of(content), _entries(document), strict=True):
        found = shown[image.reference]
        entry["digest"], entry["size"] = found.digest, found.size
    try:
        return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
    except RecursionError as error:
        raise build.DEFINITION_INVALID.error("it is nested too deeply") from error


def different(images: Sequence[DefinedImage], shown: Mapping[str, ShownImage]) -> list[DefinedImage]:
    """Return the images whose pins differ from what the container registry shows.

    `shown` has each image by its `repository:tag`. Raises KeyError for an image that `shown` lacks.
    """
    return [
        image
        for image in images
        if (image.digest, image.size) != (shown[image.reference].digest, shown[image.reference].size)
    ]


def _document(content: bytes) -> dict[str, Any]:
    try:
        document = strict_json.loads(content)
    except strict_json.NotStrictJsonError as error:
        raise build.DEFINITION_INVALID.error(str(error)) from error
    if not isinstance(document, dict) or not isinstance(document.get("images"), list):
        raise build.DEFINITION_INVALID.error("it takes a JSON object with the list images")
    return document


def _entries(document: Mapping[str, Any]) -> list[Any]:
    entries: list[Any] = document["images"]
    return entries


def _image(index: int, entry: object) -> DefinedImage:
    if not isinstance(entry, dict):
        raise build.DEFINITION_INVALID.error(f"images[{index}] takes an object")
    repository = _text(
        entry.get("repository"), REPOSITORY_NAME, f"images[{index}].repository takes a repository's name"
    )
    if len(repository) > MAX_REPOSITORY:
        raise build.DEFINITION_INVALID.error(f"images[{index}].repository takes at most {MAX_REPOSITORY} characters")
    tag = _text(entry.get("tag"), TAG, f"images[{index}].tag takes a tag")
    digest, size = entry.get("digest"), entry.get("size")
    return DefinedImage(
        repository, tag, digest if isinstance(digest, str) else None, size if isinstance(size, int) else None
    )


def _text(value: object, pattern: str, takes: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise build.DEFINITION_INVALID.error(takes)
    return value
