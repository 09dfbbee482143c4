"""Make a package: gather its files, check them by all rules, and pack them if all rules are kept."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from oci.files.reading import FileRefusedError, open_below, read_below, read_file, size_of
from runbook_lib.basics.strict_json import member
from runbook_lib.errors import RunbookError, build
from vibedata.package import located_json
from vibedata.package.archive import archive
from vibedata.package.compiled import MAX_TEMPLATE_BYTES, as_bytes, template_of
from vibedata.package.contents import PARAMETERS, TEMPLATE, USER_INTERFACE, VIEW, Contents
from vibedata.package.controls import outputs
from vibedata.package.located_json import Document
from vibedata.package.rule import Finding, Rule
from vibedata.package.rules.catalogue import RULES
from vibedata.package.rules.files import MAX_BYTES
from vibedata.template.azure_types import types_in
from vibedata.template.check import MAIN, check_folder

_UI_FOLDER, _TYPES_FOLDER = "ui", "types"
VALID_JSON = "JSONFiles Should Be Valid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The places of a package's files.

    Attributes:
        infra: The folder with mainTemplate.bicep, ui/ and types/.
        parameters: The file of the publisher's values, None for none.
        artifacts: The folder with the files that the template fetches, None for none.
    """

    infra: Path
    parameters: Path | None
    artifacts: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A checked package.

    Attributes:
        findings: The findings of the rules.
        checked: The rules that were applied.
        unchecked: The rules that were not applied, because a part that they need is missing.
        template_error: The reason why there is no template, None if there is one.
        files: The files of the zip by their names. It is empty if there is a finding or no template.
    """

    findings: tuple[Finding, ...]
    checked: tuple[Rule, ...]
    unchecked: tuple[Rule, ...]
    template_error: RunbookError | None
    files: Mapping[str, bytes]

    def packed(self) -> bytes:
        """Return the zip."""
        return archive(self.files)


def make(sources: Sources, environ: Mapping[str, str], today: date) -> Made:
    """Gather and check a package. `today` is the day for which the age of api-versions is computed.

    Raises RunbookError VD-PACKAGE-005 for an artifact that cannot be read, and UnwritableError if a newly compiled
    template cannot be kept.
    """
    texts, malformed = _texts(sources)
    template_error = None
    try:
        texts[TEMPLATE] = (sources.infra / TEMPLATE, template_of(sources.infra, environ))
    except RunbookError as error:
        template_error = error
    documents: dict[str, Document] = {}
    for name, (file, content) in texts.items():
        try:
            documents[name] = located_json.read(content, name=name, file=_shown(file))
        except located_json.MalformedError as error:
            malformed.append(_malformed(file, error.line, error.message))
    if TEMPLATE in documents and PARAMETERS in documents:
        documents[TEMPLATE] = _with_defaults(documents)
    artifacts = _artifacts(sources.artifacts)
    contents = Contents(
        documents=documents,
        artifacts=artifacts,
        types=types_in(sources.infra / _TYPES_FOLDER),
        today=today,
    )
    checked = tuple(rule for rule in RULES if contents.has(rule.needs))
    findings = (
        *malformed,
        *_of_sources(sources.infra, today),
        *(finding for rule in checked for finding in rule.findings(contents)),
    )
    files: dict[str, bytes] = {}
    if not findings and template_error is None:
        files = {name: texts[name][1] for name in (USER_INTERFACE, VIEW)}
        files[TEMPLATE] = as_bytes(documents[TEMPLATE].value)
        files |= _read_artifacts(sources.artifacts, artifacts)
    return Made(
        findings=findings,
        checked=checked,
        unchecked=tuple(rule for rule in RULES if rule not in checked),
        template_error=template_error,
        files=files,
    )


def _of_sources(infra: Path, today: date) -> list[Finding]:
    """Return the findings of vibedata.template in the template's sources. These rules need no compiler."""
    if not (infra / MAIN).is_file():
        return []
    return [
        Finding(
            file=_shown(infra / each.file),
            line=each.line,
            rule=f"Bicep sources: {each.rule}",
            message=each.message,
            remedy=each.remedy,
        )
        for each in check_folder(infra, today=today)
    ]


def _texts(sources: Sources) -> tuple[dict[str, tuple[Path, bytes]], list[Finding]]:
    """Return the readable JSON files, and a finding for each unreadable one."""
    wanted = {name: sources.infra / _UI_FOLDER / name for name in (USER_INTERFACE, VIEW)}
    if sources.parameters is not None:
        wanted[PARAMETERS] = sources.parameters
    texts, findings = {}, []
    for name, file in wanted.items():
        try:
            texts[name] = (file, read_file(file, max_bytes=MAX_TEMPLATE_BYTES))
        except FileRefusedError as error:
            findings.append(_malformed(file, None, str(error)))
    return texts, findings


def _malformed(file: Path, line: int | None, message: str) -> Finding:
    remedy = "Write a JSON file in UTF-8 there, without comments."
    return Finding(file=_shown(file), line=line, rule=VALID_JSON, message=message, remedy=remedy)


def _with_defaults(documents: Mapping[str, Document]) -> Document:
    """Return the template with the publisher's values as defaults. The rules find the values that do not fit.

    A parameter for which the customer is asked gets no default. A complete file of parameters has only an example for
    such a parameter.
    """
    template = documents[TEMPLATE]
    declared: Any = member(template.value, "parameters")
    given = member(documents[PARAMETERS].value, "parameters")
    asked = outputs(documents[USER_INTERFACE].value) if USER_INTERFACE in documents else {}
    if not isinstance(declared, Mapping) or not isinstance(given, Mapping):
        return template
    values = {
        name: {**declared[name], "defaultValue": each["value"]}
        for name, each in given.items()
        if name not in asked
        and isinstance(declared.get(name), Mapping)
        and isinstance(each, Mapping)
        and "value" in each
    }
    return replace(template, value={**template.value, "parameters": {**declared, **values}})


def _artifacts(folder: Path | None) -> dict[str, int]:
    """Return the sizes of a folder's files by their names below it."""
    if folder is None:
        return {}
    if not folder.is_dir():
        raise build.PACKAGE_FILE_REFUSED.error("it is no folder", target=str(folder))
    found = [Path(where) / name for where, _, names in os.walk(folder) for name in names]
    names = [file.relative_to(folder) for file in sorted(found)]
    return {name.as_posix(): _size_of(folder, name) for name in names}


def _size_of(folder: Path, name: Path) -> int:
    try:
        with open_below(folder, *name.parts) as file:
            return size_of(file)
    except FileRefusedError as error:
        raise build.PACKAGE_FILE_REFUSED.error(str(error), target=str(folder / name)) from error


def _read_artifacts(folder: Path | None, names: Iterable[str]) -> dict[str, bytes]:
    if folder is None:
        return {}
    return {name: _read_artifact(folder, name) for name in names}


def _read_artifact(folder: Path, name: str) -> bytes:
    try:
        return read_below(folder, *name.split("/"), max_bytes=MAX_BYTES)
    except FileRefusedError as error:  # somebody has exchanged the file since its size was read
        raise build.PACKAGE_FILE_REFUSED.error(str(error), target=str(folder / name)) from error


def _shown(file: Path) -> str:
    """Return a file's name for people. It is relative to the current folder if the file is below this folder."""
    return os.path.relpath(file) if Path(os.path.realpath(file)).is_relative_to(Path.cwd()) else str(file)
