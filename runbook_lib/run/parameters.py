"""A runbook's parameters: one base64url argument from Automation, or flags from a shell.

Automation passes only positional strings, splits them at spaces and changes JSON
(docs/azure-facts.md#parameters-and-streams). It does not change the base64url text of a JSON object.
"""

import dataclasses
import json
import re
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, get_type_hints

from runbook_lib.basics import base64url, strict_json
from runbook_lib.errors import RunbookError, run

# "Max allowed length:524288" (docs/azure-facts.md#python-and-its-limits).
MAX_ARGUMENT_BYTES = 524_288
# No name or address in a parameter is longer.
MAX_TEXT_CHARACTERS = 1024
# The member of a field's metadata with another limit, for a text that is neither name nor address.
CHARACTERS = "characters"
# How much of an unknown name an error shows.
MAX_SHOWN_CHARACTERS = 64
# How similar an unknown name and a known one must be (difflib's ratio), so that the error suggests the known one.
ALIKE = 0.8

CORRELATION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
STARTED_BY = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ,._@-]{0,119}")
_TAKES: dict[object, str] = {
    str: f"a text of one line, of at most {MAX_TEXT_CHARACTERS} characters",
    bool: "true or false",
    int: "a whole number",
    Mapping[str, str]: 'a JSON object of texts, such as {"prefix": "vd1"}',
}


@dataclass(frozen=True, kw_only=True)
class CommonParameters:
    """The parameters of every runbook. A runbook's own parameters are a dataclass that inherits from this one."""

    correlation_id: str = field(default="", metadata={"help": "ties the run to the deployment that started it"})
    plan_only: bool = field(default=False, metadata={"help": "show the changes and make none"})
    started_by: str = field(default="", metadata={"help": "who starts the run, for its first line and the log"})
    trial: bool = field(
        default=False, metadata={"help": "say that this plan is a trial, which only shows what is missing"}
    )
    settings: Mapping[str, str] = field(
        default_factory=lambda: types.MappingProxyType({}), metadata={"help": "settings only for this run"}
    )

    def __post_init__(self) -> None:
        """Check the parameters that every runbook has. Raises RunbookError VD-PARAM-002."""
        if self.correlation_id and not CORRELATION_ID.fullmatch(self.correlation_id):
            raise run.MALFORMED_PARAMETER.error(
                "takes up to 64 letters, digits, dots, dashes and underscores", target="correlation_id"
            )
        if self.started_by and not STARTED_BY.fullmatch(self.started_by):
            raise run.MALFORMED_PARAMETER.error(
                "takes up to 120 letters, digits, spaces and , . _ @ -", target="started_by"
            )
        if self.trial and not self.plan_only:
            raise run.MALFORMED_PARAMETER.error("takes true only together with plan_only", target="trial")

    @property
    def starter(self) -> str:
        """Who started the run, for people. Automation does not tell a job."""
        return self.started_by or "a schedule or a person who did not say"

    @property
    def mode(self) -> Literal["run", "plan", "trial"]:
        """What kind of run this is: one that changes something, one that shows its plan, or a trial of the latter."""
        if self.trial:
            return "trial"
        return "plan" if self.plan_only else "run"


P = TypeVar("P", bound=CommonParameters)


class HelpWanted(Exception):  # noqa: N818 - not an error
    """The user asked for help."""


def parse(parameters_type: type[P], argv: Sequence[str]) -> P:
    """Return the parameters given by `argv` (without the program's name).

    Raises RunbookError VD-PARAM-001 (unknown), VD-PARAM-002 (ill-typed), VD-PARAM-003 (unreadable argument), and
    HelpWanted for --help.
    """
    if any(argument in ("-h", "--help") for argument in argv):
        raise HelpWanted
    given = _from_flags(parameters_type, argv) if not argv or argv[0].startswith("--") else _from_argument(argv)
    limits = {item.name: item.metadata.get(CHARACTERS, MAX_TEXT_CHARACTERS) for item in _fields(parameters_type)}
    check(given, kinds_of(parameters_type), limits)
    return parameters_type(**given)


def check(given: Mapping[str, Any], kinds: Mapping[str, object], limits: Mapping[str, int]) -> None:
    """Compare parameters with the ones that a runbook takes.

    Args:
        given: The parameters by name.
        kinds: The type of each parameter, by name.
        limits: How many characters a text may have, by the parameter's name.

    Raises:
        RunbookError: VD-PARAM-001 (unknown), VD-PARAM-002 (ill-typed).
    """
    for name, value in given.items():
        if name not in kinds:
            raise _unknown(name, kinds)
        _check(name, value, kinds[name], limits[name])


def encode(parameters: Mapping[str, Any]) -> str:
    """Return the one argument that `parse` reads: base64url of a JSON object, without padding."""
    text = json.dumps(dict(parameters), sort_keys=True, separators=(",", ":"))
    return base64url.encode(text.encode())


def parameters_in(argument: str) -> Mapping[str, Any]:
    """Return the parameters in a job's one argument, {} if it cannot be read.

    They are unchecked: anybody may have started the job.
    """
    try:
        return _from_argument([argument])
    except RunbookError:
        return {}


def correlation_id_in(argument: str) -> str:
    """Return the correlation id in a job's one argument, "" if there is none. Anybody may have started the job."""
    found = parameters_in(argument).get("correlation_id")
    return found if isinstance(found, str) and CORRELATION_ID.fullmatch(found) else ""


def settings_in(argument: str) -> Mapping[str, str] | None:
    """Return the settings in a job's one argument, None if they cannot be read. Anybody may have started the job."""
    try:
        found = _from_argument([argument]).get("settings", {})
    except RunbookError:
        return None
    return found if isinstance(found, dict) else None


def help_text(name: str, summary: str, parameters_type: type[CommonParameters]) -> str:
    """Return what --help prints."""
    kinds = kinds_of(parameters_type)
    rows = []
    for item in _fields(parameters_type):
        value = "" if kinds[item.name] is bool else " VALUE"
        flag = f"--{item.name.replace('_', '-')}{value}"
        default = f" (default: {item.default})" if kinds[item.name] in (str, int) and item.default else ""
        rows.append(f"  {flag:<28} {item.metadata.get('help', '')}{default}")
    example = encode({"plan_only": True})
    return (
        f"{name}: {summary}\n\nparameters, as flags or as one base64url argument of a JSON object:\n"
        + "\n".join(rows)
        + "\n\n"
        f"examples:\n  python {name}.py --plan-only\n  python {name}.py {example}\n\n"
        "exit codes: 0 done, 1 failed, 2 bad parameters or settings\n"
    )


def kinds_of(parameters_type: type[CommonParameters]) -> dict[str, object]:
    """Return the type of each parameter, by name."""
    hints = get_type_hints(parameters_type)
    return {item.name: hints[item.name] for item in _fields(parameters_type)}


def _fields(parameters_type: type[CommonParameters]) -> "list[dataclasses.Field[Any]]":
    """Return the runbook's own parameters, then those that are common to all."""
    common = {item.name for item in dataclasses.fields(CommonParameters)}
    return sorted(dataclasses.fields(parameters_type), key=lambda item: item.name in common)


def _from_flags(parameters_type: type[CommonParameters], argv: Sequence[str]) -> dict[str, Any]:
    kinds = kinds_of(parameters_type)
    given: dict[str, Any] = {}
    rest = list(argv)
    while rest:
        flag, has_value, value = rest.pop(0).partition("=")
        name = flag.removeprefix("--").replace("-", "_")
        if not flag.startswith("--") or name not in kinds:
            raise _unknown(flag, kinds)
        if name in given:
            raise run.MALFORMED_PARAMETER.error("it is given twice", target=name)
        if kinds[name] is bool and not has_value:
            given[name] = True
            continue
        if not has_value:
            if not rest:
                raise run.MALFORMED_PARAMETER.error(f"takes {_TAKES[kinds[name]]}", target=name)
            value = rest.pop(0)
        given[name] = _from_text(name, value, kinds[name])
    return given


def _unknown(name: str, kinds: Mapping[str, object]) -> RunbookError:
    import difflib  # a run with correct parameters does not need it

    shown = "".join(character if character.isprintable() else "?" for character in name[:MAX_SHOWN_CHARACTERS])
    near = difflib.get_close_matches(shown.removeprefix("--").replace("-", "_"), list(kinds), n=1, cutoff=ALIKE)
    hint = f" - did you mean '{near[0]}'?" if near else ""
    return run.UNKNOWN_PARAMETER.error(f"it takes {', '.join(kinds)}{hint}", target=shown)


def _from_text(name: str, value: str, kind: object) -> Any:
    if kind is str:
        return value
    try:
        return strict_json.loads(value)
    except strict_json.NotStrictJsonError as error:
        raise run.MALFORMED_PARAMETER.error(f"takes {_TAKES[kind]}", target=name) from error


def _from_argument(argv: Sequence[str]) -> dict[str, Any]:
    if len(argv) != 1 or len(argv[0]) > MAX_ARGUMENT_BYTES:
        raise run.UNREADABLE_PARAMETERS.error(f"takes one argument of at most {MAX_ARGUMENT_BYTES} bytes, or flags")
    # We do not know whether Automation keeps the JSON quotes of a string (docs/azure-facts.md#parameters-and-streams).
    argument = argv[0].strip("\"' \r\n").rstrip("=")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", argument):
        raise run.UNREADABLE_PARAMETERS.error("the argument is not base64url: letters, digits, - and _")
    try:
        given = strict_json.loads(base64url.decode(argument))
    except ValueError as error:
        raise run.UNREADABLE_PARAMETERS.error(f"the argument does not hold JSON: {error}") from error
    if not isinstance(given, dict):
        raise run.UNREADABLE_PARAMETERS.error("the argument does not hold a JSON object")
    return given


def _check(name: str, value: object, kind: object, limit: int) -> None:
    takes = _TAKES.get(kind, "")
    if kind == Mapping[str, str]:
        fits = isinstance(value, dict) and all(_is_text(part, limit) for item in value.items() for part in item)
    elif kind is str:
        takes = takes.replace(str(MAX_TEXT_CHARACTERS), str(limit))
        fits = _is_text(value, limit)
    elif kind is int:
        fits = isinstance(value, int) and not isinstance(value, bool)
    else:
        fits = isinstance(kind, type) and isinstance(value, kind)
    if not fits:
        raise run.MALFORMED_PARAMETER.error(f"takes {takes}", target=name)


def _is_text(value: object, limit: int) -> bool:
    """Whether the value is a text without line ends and control characters, so that it stays within one line."""
    return isinstance(value, str) and len(value) <= limit and value.isprintable()
