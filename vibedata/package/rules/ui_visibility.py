"""Rules about a createUiDefinition in each combination of a customer's choices.

The value of one element may show or hide other elements. An output that names a hidden element fails only when the
customer deploys (microsoft/finops-toolkit issue 1770).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from runbook_lib.basics.strict_json import member
from vibedata.package.contents import TEMPLATE, USER_INTERFACE, Contents
from vibedata.package.controls import (
    SILENT,
    TEXT_BOX,
    Element,
    choices,
    combinations,
    elements,
    outputs,
    refused_combinations,
)
from vibedata.package.evaluation import EvaluationError, World, evaluate
from vibedata.package.expressions import ExpressionError
from vibedata.package.regexes import SECONDS, Trial, try_all
from vibedata.package.rule import Fault, rule
from vibedata.package.template import allowed_values

_FUNCTIONS = "learn azure-resource-manager/managed-applications/create-uidefinition-functions"
_KINDS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "securestring": str,
    "int": int,
    "bool": bool,
    "array": list,
    "object": Mapping,
    "secureobject": Mapping,
}
_STEPS = ("parameters", "steps")


@rule(
    "Outputs Must Have Values In Each Combination",
    source="microsoft/finops-toolkit issue 1770; " + _FUNCTIONS,
    remedy="Name only elements that are shown then, or give another value with coalesce().",
    needs=[USER_INTERFACE],
)
def outputs_must_have_values_in_each_combination(contents: Contents) -> Iterator[Fault]:
    """Find an output, or an element's visibility, that cannot be evaluated for one of the customer's choices."""
    definition = contents.documents[USER_INTERFACE].value
    refused = refused_combinations(definition)
    if refused is not None:
        yield Fault(USER_INTERFACE, _STEPS, refused)
        return
    for element in elements(definition):
        if element.type not in SILENT and not choices(element):
            yield Fault(USER_INTERFACE, element.path, f"{element.name} has no placeholder and no default to try")
    try:
        worlds = list(combinations(definition))
    except (EvaluationError, ExpressionError) as error:
        yield Fault(USER_INTERFACE, _STEPS, f"the visibility of an element cannot be evaluated: {error}")
        return
    for name, output in outputs(definition).items():
        for world in worlds:
            _, trouble = _evaluated(output, world)
            if trouble is not None:
                yield Fault(USER_INTERFACE, ("parameters", "outputs", name), f"{name}: {trouble}")
                break


@rule(
    "Outputs Must Fit The Parameters In Each Combination",
    source="learn azure-resource-manager/templates/parameters",
    remedy="Convert the value, or change the parameter.",
    needs=[USER_INTERFACE, TEMPLATE],
)
def outputs_must_fit_the_parameters_in_each_combination(contents: Contents) -> Iterator[Fault]:
    """Find an output that does not fit the template's parameter: its type, its length or its allowed values."""
    definition = contents.documents[USER_INTERFACE].value
    declared = member(contents.documents[TEMPLATE].value, "parameters")
    worlds = _worlds(definition)
    for name, output in outputs(definition).items():
        parameter = declared.get(name) if isinstance(declared, Mapping) else None
        if not isinstance(parameter, Mapping):
            continue  # ui_outputs.outputs_must_be_present_in_template_parameters finds it
        for world in worlds:
            value, trouble = _evaluated(output, world)
            refused = None if trouble else _refusal(value, parameter)
            if refused is not None:
                yield Fault(USER_INTERFACE, ("parameters", "outputs", name), f"{name}: {refused}")
                break


@rule(
    "Placeholders Must Be Valid",
    source="learn azure-resource-manager/managed-applications/microsoft-common-textbox",
    remedy="Show a placeholder that the element's own validations accept.",
    needs=[USER_INTERFACE],
)
def placeholders_must_be_valid(contents: Contents) -> Iterator[Fault]:
    """Find a default or a placeholder that its own text box refuses, or a validation that cannot be evaluated."""
    definition = contents.documents[USER_INTERFACE].value
    worlds = _worlds(definition)
    samples = [
        (element, sample, index, validation)
        for element in elements(definition)
        if element.type == TEXT_BOX and (sample := _sample(element)) is not None
        for index, validation in enumerate(element.validations)
    ]
    regexes = [(member(validation, "regex"), sample) for _, sample, _, validation in samples]
    trials = try_all((regex, sample) for regex, sample in regexes if isinstance(regex, str))
    for (regex, _), (element, sample, index, validation) in zip(regexes, samples, strict=True):
        trial = trials[regex, sample] if isinstance(regex, str) else None
        trouble = _objection(trial, sample) or _dissent(validation, sample, element, worlds)
        if trouble is not None:
            path = (*element.path, "constraints", "validations", index)
            yield Fault(USER_INTERFACE, path, f"{element.name}: {trouble}")


def _sample(element: Element) -> str | None:
    found = element.value.get("defaultValue") or element.value.get("placeholder")
    return found if isinstance(found, str) else None


def _worlds(definition: Any) -> list[World]:
    try:
        return list(combinations(definition)) if refused_combinations(definition) is None else []
    except (EvaluationError, ExpressionError):
        return []  # outputs_must_have_values_in_each_combination finds it


def _evaluated(output: Any, world: World) -> tuple[Any, str | None]:
    """Return an output's value and None, or None and the reason why the output has no value."""
    try:
        if isinstance(output, Mapping):
            return {key: _raw(each, world) for key, each in output.items()}, None
        return _raw(output, world), None
    except (EvaluationError, ExpressionError) as error:
        return None, str(error)


def _raw(output: Any, world: World) -> Any:
    return evaluate(output, world) if isinstance(output, str) else output


def _refusal(value: Any, parameter: Mapping[str, Any]) -> str | None:
    expected = _KINDS.get(str(parameter.get("type")).lower())
    if expected is None or not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
        return f"the parameter is of type {parameter.get('type')}"
    if not isinstance(parameter.get("allowedValues", []), list):
        return "allowedValues of the parameter is no list"
    if value not in allowed_values(parameter, [value]):
        return f"the parameter does not allow {value}"
    if isinstance(value, str | list):
        least, most = parameter.get("minLength", 0), parameter.get("maxLength", len(value))
        if type(least) is not int or type(most) is not int:
            return "minLength or maxLength of the parameter is no whole number"
        if not least <= len(value) <= most:
            return f"the parameter takes a length of {least} to {most}"
    return None


def _objection(trial: Trial | None, sample: str) -> str | None:
    if trial is Trial.REFUSES:
        return f"its own regex refuses {sample}"
    if trial is Trial.TOO_LONG:
        return f"its own regex is too long, or needs more than {SECONDS} seconds for {sample}"
    return None  # ui_controls.textboxes_are_well_formed finds a regex that cannot be read


def _dissent(validation: Any, sample: str, element: Element, worlds: list[World]) -> str | None:
    rule_text = member(validation, "isValid")
    try:
        for world in worlds if isinstance(rule_text, str) else []:
            if element.value_in(world) == sample and evaluate(str(rule_text), world) is not True:
                return f"its own isValid refuses {sample}"
    except (EvaluationError, ExpressionError) as error:
        return f"isValid cannot be evaluated: {error}"
    return None
