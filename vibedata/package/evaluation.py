"""Evaluate createUiDefinition's expressions strictly: an unknown function or a hidden element is an error.

Source: learn azure-resource-manager/managed-applications/create-uidefinition-functions. This module knows the functions
that the project's definition uses, and the logical functions that decide which elements are shown.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vibedata.package.expressions import Call, Expression, Literal, is_expression, parse

# The limit for the characters that replace() puts into a text. Azure takes 4 MB for all values of a template together.
MAX_CHARACTERS = 1024 * 1024


class EvaluationError(Exception):
    """The expression has no value here. The message says why."""


class _Undefined:
    """The value of a hidden element, or of a missing member. Only coalesce() accepts it."""


_UNDEFINED = _Undefined()


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The customer's choices.

    Attributes:
        steps: The values of the shown elements, by step and by name. The basics have the name "".
        location: The region.
    """

    steps: Mapping[str, Mapping[str, Any]]
    location: str


def evaluate(text: str, world: World) -> Any:
    """Return the value of a text, which may be an expression. Raises EvaluationError, ExpressionError."""
    if not is_expression(text):
        return text
    found = _value(parse(text), world)
    if found is _UNDEFINED:
        raise EvaluationError("it names an element that is not shown, or that is not there")
    return found


def _value(expression: Expression, world: World) -> Any:
    if isinstance(expression, Literal):
        return expression.value
    if isinstance(expression, Call):
        return _call(expression, world)
    of, key = _value(expression.of, world), _value(expression.key, world)
    return of.get(key, _UNDEFINED) if isinstance(of, Mapping) and isinstance(key, str) else _UNDEFINED


def _call(call: Call, world: World) -> Any:
    # Evaluate both branches of if(), because no document says that the portal leaves one of them out.
    arguments = [_value(each, world) for each in call.arguments]
    if call.name in ("basics", "steps", "location"):
        return _of_the_world(call.name, arguments, world)
    function = _FUNCTIONS.get(call.name)
    if function is None:
        raise EvaluationError(f"function {call.name} is not known")
    if call.name != "coalesce" and any(each is _UNDEFINED for each in arguments):
        raise EvaluationError(f"{call.name}() is given an element that is not shown, or that is not there")
    try:
        return function(*arguments)
    except (TypeError, ValueError) as error:
        raise EvaluationError(f"{call.name}() does not take what it is given") from error


def _of_the_world(name: str, arguments: list[Any], world: World) -> Any:
    if name == "location" and not arguments:
        return world.location
    if len(arguments) != 1 or not isinstance(arguments[0], str) or name == "location":
        raise EvaluationError(f"{name}() does not take what it is given")
    if name == "basics":
        return world.steps[""].get(arguments[0], _UNDEFINED)
    if arguments[0] not in world.steps:
        raise EvaluationError(f"there is no step {arguments[0]}")
    return world.steps[arguments[0]]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _replace(text: Any, old: Any, new: Any) -> str:
    if _text(text).count(_text(old)) * len(_text(new)) > MAX_CHARACTERS:
        raise ValueError
    return str(text.replace(old, new))


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _truths(values: tuple[Any, ...]) -> list[bool]:
    return [_truth(each) for each in values]


def _coalesce(*values: Any) -> Any:
    return next((each for each in values if each is not None and each is not _UNDEFINED), _UNDEFINED)


def _equals(left: Any, right: Any) -> bool:
    return type(left) is type(right) and bool(left == right)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "and": lambda *values: all(_truths(values)),
    "coalesce": _coalesce,
    "equals": _equals,
    "if": lambda condition, then, otherwise: then if _truth(condition) else otherwise,
    "length": len,
    "lessOrEquals": lambda left, right: left <= right,
    "not": lambda value: not _truth(value),
    "or": lambda *values: any(_truths(values)),
    "replace": _replace,
    "split": lambda text, separator: _text(text).split(_text(separator)),
}
