"""Check the template as a whole: every rule of this folder, on every file, for every file of parameters."""

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from oci.files.reading import FileRefusedError, read_file
from runbook_lib.basics.strict_json import member
from vibedata.image_tags.literal_tags import literal_tags
from vibedata.package import located_json
from vibedata.template.azure_types import types_in
from vibedata.template.evaluation import TOO_COMPLEX, NotEvaluatedError, snapshot
from vibedata.template.finding import Finding
from vibedata.template.language import check_language
from vibedata.template.literals import check_literals
from vibedata.template.reader import SYNTAX, read_folder
from vibedata.template.resource_types import check_resource
from vibedata.template.symbols import TWICE, check_symbols
from vibedata.template.syntax import Document, Literal
from vibedata.template.tokens import TOO_DEEP
from vibedata.template.values import Place, Runtime

MAIN = "mainTemplate.bicep"
EVALUATION, IMAGE_TAG, PARAMETER_FILE = "evaluation", "image-tag", "parameter-file"
# The template's largest file of parameters has about 3 KB.
MAX_PARAMETERS_BYTES = 256 * 1024


def check_folder(folder: Path, *, today: date) -> tuple[Finding, ...]:
    """Return what is wrong with the template in a folder like infra/, in the order of files and lines."""
    read, unread = read_folder(folder)
    if unread:  # findings about files that use the unreadable ones would only repeat these findings
        return tuple(sorted(unread))
    documents = {document.file: document for document in read}
    findings = set(_shallow(MAIN, check_symbols(documents, MAIN)))
    for document in read:
        findings |= {*_shallow(document.file, check_language(document))}
        findings |= {*_shallow(document.file, check_literals(document))}
    findings |= set(_check_image_tags(folder))
    given, unreadable = read_parameters(folder)
    if not findings and MAIN in documents:  # otherwise the evaluation would only repeat the findings
        for parameters in _each_deployment(documents[MAIN], list(given.values())):
            findings |= set(_shallow(MAIN, _check_resources(documents, parameters, folder, today)))
            if any(each.message == TOO_COMPLEX for each in findings):
                break  # the evaluation with other parameters takes as long
    return tuple(sorted({*findings, *unreadable}))


def _shallow(file: str, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield findings, and one more if a long chain of variables or modules is too deep for Python's stack."""
    try:
        yield from findings
    except RecursionError:
        yield Finding(file=file, line=1, rule=SYNTAX, message=TOO_DEEP, remedy="Divide them")


def read_parameters(folder: Path) -> tuple[Mapping[str, Mapping[str, Any]], tuple[Finding, ...]]:
    """Return the values in each file of parameters, by the file's name without its extension, and the faults.

    The value of a reference to a vault is a Runtime, because only Azure knows it.
    """
    found: dict[str, Mapping[str, Any]] = {}
    findings: list[Finding] = []
    for file in sorted((folder / "parameters").glob("*.json")):
        name = file.relative_to(folder).as_posix()
        try:
            content = read_file(file, max_bytes=MAX_PARAMETERS_BYTES)
            document = located_json.read(content, name=name, file=name)
        except FileRefusedError as error:
            findings.append(_of_parameters(name, 1, str(error)))
        except located_json.MalformedError as error:
            findings.append(_of_parameters(name, error.line, error.message))
        else:
            found[file.stem] = dict(_given(document))
            findings += _check_parameters(document)
    return found, tuple(findings)


def _given(document: located_json.Document) -> Iterator[tuple[str, Any]]:
    given = member(document.value, "parameters")
    for name, entry in given.items() if isinstance(given, Mapping) else ():
        if isinstance(entry, Mapping) and "value" in entry:
            yield name, entry["value"]
        elif isinstance(entry, Mapping) and "reference" in entry:
            yield name, Runtime(f"parameters('{name}')")


def _check_parameters(document: located_json.Document) -> Iterator[Finding]:
    given = member(document.value, "parameters")
    if not isinstance(given, Mapping):
        yield _of_parameters(document.file, document.line(("parameters",)), "it has no object parameters")
        return
    for name in given.keys() - dict(_given(document)).keys():
        message = f"parameter {name} has no value and no reference"
        yield _of_parameters(document.file, document.line(("parameters", name)), message)


def _of_parameters(file: str, line: int, message: str) -> Finding:
    remedy = "Write a file of deployment parameters, in UTF-8 and without comments"
    return Finding(file=file, line=line, rule=PARAMETER_FILE, message=message, remedy=remedy)


def _each_deployment(main: Document, files: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the values of each file of parameters.

    At the end, yield the values of the first file again, but with the longest allowed prefix.
    """
    yield from files
    prefix = main.get("prefix")
    limit = prefix.decorator("maxLength") if prefix is not None else None
    length = limit.arguments[0] if limit is not None and limit.arguments else None
    if isinstance(length, Literal) and type(length.value) is int:
        longest = "a" * min(length.value, MAX_PARAMETERS_BYTES)
        yield from ({**given, "prefix": longest} for given in files[:1])


def _check_image_tags(folder: Path) -> Iterator[Finding]:
    literals, unread, _ = literal_tags([folder])
    for each in literals:
        remedy = "Pass the reference or its tag in a parameter without a default"
        file = os.path.relpath(each.file, folder)
        yield Finding(file=file, line=each.line, rule=IMAGE_TAG, message=str(each), remedy=remedy)
    for trouble in unread:
        file, line = os.path.relpath(trouble.file, folder), max(trouble.line, 1)
        message = f"its images cannot be checked: {trouble.why}"
        yield Finding(file=file, line=line, rule=IMAGE_TAG, message=message, remedy="Correct it, or divide it")


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
