"""The elements of a createUiDefinition: their places, the conditions under which they are shown, and the customer's
choices.

Source: learn azure-resource-manager/managed-applications/create-uidefinition-elements.
"""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runbook_lib.basics.strict_json import member
from vibedata.package.evaluation import World, evaluate
from vibedata.package.expressions import is_expression
from vibedata.package.located_json import Path

TEXT_BOX = "Microsoft.Common.TextBox"
PASSWORD_BOX = "Microsoft.Common.PasswordBox"  # noqa: S105 - an element's type
SECTION = "Microsoft.Common.Section"
CHECK_BOX = "Microsoft.Common.CheckBox"
CHOICES = ("Microsoft.Common.DropDown", "Microsoft.Common.OptionsGroup")
# These elements show something and have no value.
SILENT = ("Microsoft.Common.InfoBox", "Microsoft.Common.TextBlock", SECTION)
# The first step has no name.
BASICS = ""
# The definition is checked with every combination of choices. A definition with more combinations than this is refused.
MAX_COMBINATIONS = 4096
# The number of combinations, multiplied by the number of characters in the definition's JSON. This much work takes a
# minute.
MAX_WORK = 40_000_000
_SAMPLE_LOCATION = "westeurope"


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One element. `way` holds the names of its step and of its sections."""

    way: tuple[str, ...]
    name: str
    path: Path
    value: Mapping[str, Any]

    @property
    def type(self) -> str:
        """Return the control's type."""
        return str(self.value.get("type", ""))

    @property
    def constraints(self) -> Mapping[str, Any]:
        """Return the element's limits. The result is empty if nothing limits it."""
        found = self.value.get("constraints")
        return found if isinstance(found, Mapping) else {}

    @property
    def validations(self) -> list[Any]:
        """Return the checks of its value."""
        found = self.constraints.get("validations")
        return found if isinstance(found, list) else []

    def value_in(self, world: World) -> Any:
        """Return the value that a customer gave it, None if it is not shown."""
        return member(world.steps, *self.way, self.name)


def elements(definition: Any) -> Iterator[Element]:
    """Yield each element of a definition, in its order. A section comes before its elements."""
    parameters = member(definition, "parameters")
    yield from _elements(member(parameters, "basics"), ("parameters", "basics"), (BASICS,))
    steps = member(parameters, "steps")
    for index, step in enumerate(steps if isinstance(steps, list) else []):
        path = ("parameters", "steps", index, "elements")
        yield from _elements(member(step, "elements"), path, (str(member(step, "name")),))


def outputs(definition: Any) -> Mapping[str, Any]:
    """Return the outputs of a definition. The result is empty if there are none."""
    found = member(definition, "parameters", "outputs")
    return found if isinstance(found, Mapping) else {}


def choices(element: Element) -> list[Any]:
    """Return the values that a customer can give.

    For a list these are all its choices. For a check box they are true and, if it is optional, false. For a text box
    and any other element they are its sample and, if it is optional, the empty text. The sample is the element's
    default or its placeholder.
    """
    if element.type in CHOICES:
        allowed = element.constraints.get("allowedValues")
        return [member(each, "value") for each in allowed] if isinstance(allowed, list) else []
    if element.type == CHECK_BOX:
        return [True] if element.constraints.get("required") is True else [True, False]
    sample = element.value.get("defaultValue") or element.value.get("placeholder")
    optional = element.constraints.get("required") is not True
    return [*([sample] if sample else []), *([""] if optional else [])]


def combinations(definition: Any) -> Iterator[World]:
    """Yield a world for each combination of choices, with the elements that this combination shows.

    Raises EvaluationError or ExpressionError if `visible` of an element cannot be evaluated.
    """
    asked = [each for each in elements(definition) if each.type not in SILENT]
    for values in itertools.product(*(choices(each) for each in asked)):
        chosen = dict(zip((each.path for each in asked), values, strict=True))
        yield _shown(definition, chosen)


def refused_combinations(definition: Any) -> str | None:
    """Return the reason why the combinations are not tried, None if they are."""
    count = count_combinations(definition)
    if count > MAX_COMBINATIONS:
        return f"there are more than {MAX_COMBINATIONS} combinations of choices"
    if count * len(json.dumps(definition)) > MAX_WORK:
        return f"the definition is too large for {count} combinations of choices"
    return None


def count_combinations(definition: Any) -> int:
    """Return the number of combinations of choices. It stops counting above MAX_COMBINATIONS."""
    count = 1
    for element in elements(definition):
        count *= 1 if element.type in SILENT else len(choices(element))
        if count > MAX_COMBINATIONS:
            break
    return count


def _elements(found: Any, path: Path, way: tuple[str, ...]) -> Iterator[Element]:
    for index, value in enumerate(found if isinstance(found, list) else []):
        if not isinstance(value, Mapping):
            continue
        element = Element(way=way, name=str(value.get("name", "")), path=(*path, index), value=value)
        yield element
        if element.type == SECTION:
            yield from _elements(value.get("elements"), (*element.path, "elements"), (*way, element.name))


def _shown(definition: Any, chosen: Mapping[Path, Any]) -> World:
    """Return the world of these choices.

    An element is shown if it is visible itself and each of its sections is visible.
    """
    steps = member(definition, "parameters", "steps")
    names = [str(member(step, "name")) for step in steps] if isinstance(steps, list) else []
    tree: dict[str, dict[str, Any]] = {name: {} for name in (BASICS, *names)}
    hidden: set[tuple[str, ...]] = set()
    for element in elements(definition):
        world = World(steps=tree, location=_SAMPLE_LOCATION)
        if any(element.way[:end] in hidden for end in range(len(element.way) + 1)) or not _visible(element, world):
            hidden.add((*element.way, element.name))
        elif element.type == SECTION:
            _place(tree, element.way)[element.name] = {}
        elif element.path in chosen:
            _place(tree, element.way)[element.name] = chosen[element.path]
    return World(steps=tree, location=_SAMPLE_LOCATION)


def _visible(element: Element, world: World) -> bool:
    visible = element.value.get("visible", True)
    found = evaluate(visible, world) if isinstance(visible, str) and is_expression(visible) else visible
    return found is True or found == "true"


def _place(tree: dict[str, dict[str, Any]], way: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = tree[way[0]]
    for name in way[1:]:
        found = found[name]
    return found
