"""Read the result that a runbook printed as its job's last line (docs/design.md#running-a-runbook). Pure.

Our runbook, a changed runbook, or a library may have printed the line. It counts only if it has the complete form, and
belongs to the runbook that was started and to the run that was asked for.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, get_args

from runbook_lib.basics import strict_json
from runbook_lib.run.output import RESULT_LIMIT
from runbook_lib.run.result import Status

FAILED = "failed"
STATUSES: tuple[str, ...] = get_args(Status)
# Each line that runbook_lib.run.result writes begins with this.
_BEGINNING = '{"runbook": '
_CODE = re.compile(r"VD-[A-Z]{1,16}-[0-9]{3}")
# An error shows at most this number of characters of an unknown word.
_SHOWN_CHARACTERS = 40


class NoResultError(ValueError):
    """The output does not end in a result.

    The text says what is there instead, "" if the last line is not an object.
    """


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_change(value: object) -> bool:
    return isinstance(value, dict) and all(_is_text(value.get(name)) for name in ("action", "target", "outcome"))


def _is_told(value: object) -> bool:
    return type(value) in (int, str) or (isinstance(value, list) and all(map(_is_text, value)))


_FORMS: Mapping[str, Callable[[Any], bool]] = {
    "runbook": _is_text,
    "version": _is_text,
    "correlation_id": _is_text,
    "run_id": _is_text,
    "changed": _is_count,
    "unchanged": _is_count,
    "changes": lambda value: isinstance(value, list) and all(map(_is_change, value)),
    "duration_ms": _is_count,
}


def read_result(output: str, *, runbook: str, correlation_id: str) -> Mapping[str, Any]:
    """Return the result in a job's output.

    `runbook` was started with `correlation_id`, "" for none. Raises NoResultError.
    """
    lines = output.strip().splitlines()
    if not lines or not lines[-1].startswith("{"):
        raise NoResultError
    if any(line.startswith(_BEGINNING) for line in lines[:-1]):
        raise NoResultError("it printed more than one result")
    if len(lines[-1]) > RESULT_LIMIT:
        raise NoResultError(f"its last line is longer than {RESULT_LIMIT} bytes")
    try:
        result = strict_json.loads(lines[-1])
    except strict_json.NotStrictJsonError as error:
        # The line was cut off, because the job was killed while it wrote.
        raise NoResultError(f"its last line is not a result: {error}") from error
    _check(result, runbook=runbook, correlation_id=correlation_id)
    checked: Mapping[str, Any] = result
    return checked


def _check(result: Mapping[str, Any], *, runbook: str, correlation_id: str) -> None:
    status, error = result.get("status"), result.get("error")
    if status not in STATUSES:
        raise NoResultError(f"its result has the status {_shown(status)}")
    if (status == FAILED) != (error is not None):
        raise NoResultError(f"its result says {status}, and has {'no' if error is None else 'an'} error")
    if error is not None and not _is_error(error):
        raise NoResultError("its result has an error that the suite does not know")
    for name, fits in _FORMS.items():
        if not fits(result.get(name)):
            raise NoResultError(f"its result has no {name}, or one of another form")
    told = result.get("report", {})
    if not isinstance(told, dict) or not all(map(_is_told, told.values())):
        raise NoResultError("its result has a report of another form")
    if result["runbook"] != runbook:
        raise NoResultError(f"its result is of {_shown(result['runbook'])}, and {runbook} was started")
    if correlation_id and result["correlation_id"] != correlation_id:
        raise NoResultError(f"its result is of another run: correlation {_shown(result['correlation_id'])}")


def _is_error(value: object) -> bool:
    return (
        isinstance(value, dict)
        and all(isinstance(value.get(name), str) for name in ("code", "message", "cause", "remedy"))
        and _CODE.fullmatch(value["code"]) is not None
        and type(value.get("retryable")) is bool
    )


def _shown(value: object) -> str:
    words = repr(value)
    return words if len(words) <= _SHOWN_CHARACTERS else words[:_SHOWN_CHARACTERS] + "..."
