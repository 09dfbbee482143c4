"""Check the template as a whole: every rule of this folder, on every file, for every file of parameters."""

import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from vibedata.image_tags.literal_tags import literal_tags
from vibedata.template.azure_types import types_in
from vibedata.template.evaluation import NotEvaluatedError, snapshot
from vibedata.template.finding import Finding
from vibedata.template.language import check_language
from vibedata.template.literals import check_literals
from vibedata.template.reader import read_folder
from vibedata.template.resource_types import check_resource
from vibedata.template.symbols import TWICE, check_symbols
from vibedata.template.syntax import Document, Literal
from vibedata.template.values import Place

MAIN = "mainTemplate.bicep"
EVALUATION, IMAGE_TAG = "evaluation", "image-tag"


def check_folder(folder: Path, *, today: date) -> tuple[Finding, ...]:
    """Return what is wrong with the template in a folder like infra/, in the order of files and lines."""
    read, unread = read_folder(folder)
    if unread:  # findings about files that name these would only repeat it
        return tuple(sorted(unread))
    documents = {document.file: document for document in read}
    findings = {*check_symbols(documents, MAIN)}
    for document in read:
        findings |= {*check_language(document), *check_literals(document)}
    findings |= set(_check_image_tags(folder))
    if not findings:  # otherwise the evaluation would only repeat them
        for parameters in _each_deployment(documents, folder):
            findings |= set(_check_resources(documents, parameters, folder, today))
    return tuple(sorted(findings))


def parameter_files(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    """Return the values in each file of parameters, by the file's name without its extension."""
    found = {}
    for file in sorted((folder / "parameters").glob("*.json")):
        content = json.loads(file.read_text(encoding="utf-8"))
        found[file.stem] = {name: given["value"] for name, given in content["parameters"].items()}
    return found


def _each_deployment(documents: Mapping[str, Document], folder: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the values of each file of parameters, and those of the first file again with the longest allowed
    prefix.
    """
    files = list(parameter_files(folder).values())
    yield from files
    prefix = documents[MAIN].get("prefix") if MAIN in documents else None
    limit = prefix.decorator("maxLength") if prefix is not None else None
    if limit is not None and isinstance(length := limit.arguments[0], Literal) and isinstance(length.value, int):
        yield from ({**given, "prefix": "a" * length.value} for given in files[:1])


def _check_image_tags(folder: Path) -> Iterator[Finding]:
    literals, _, _ = literal_tags([folder])  # what it cannot read, `read_folder` cannot read either
    for each in literals:
        file = Path(each.file).relative_to(folder).as_posix()
        remedy = "Pass the reference or its tag in a parameter without a default"
        yield Finding(file=file, line=each.line, rule=IMAGE_TAG, message=str(each), remedy=remedy)


def _check_resources(
    documents: Mapping[str, Document], parameters: Mapping[str, Any], folder: Path, today: date
) -> Iterator[Finding]:
    types = types_in(folder / "types")
    try:
        made = snapshot(documents, MAIN, parameters, Place())
    except NotEvaluatedError as error:
        remedy = "Correct it: Azure Resource Manager would stop here, too"
        yield Finding(file=error.file, line=error.line, rule=EVALUATION, message=error.message, remedy=remedy)
        return
    seen: set[str] = set()
    for resource in made.resources:
        yield from check_resource(resource, types, today=today)
        if not resource.existing and resource.id.lower() in seen:
            message = f"{resource.type} {resource.name} is deployed twice"
            yield Finding(file=resource.file, line=resource.line, rule=TWICE, message=message, remedy="Rename one")
        seen |= set() if resource.existing else {resource.id.lower()}
