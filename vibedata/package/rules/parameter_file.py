"""Rules of the publisher's values: the file of parameters whose values become defaults of the template."""

from collections.abc import Iterator, Mapping
from typing import Any

from runbook_lib.basics.strict_json import member
from vibedata.package.contents import PARAMETERS, TEMPLATE, Contents
from vibedata.package.rule import Fault, arm_ttk, rule
from vibedata.package.template import allowed_values, is_secure

_SCHEMAS = ("https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#",)
_KINDS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "int": int,
    "bool": bool,
    "array": list,
    "object": Mapping,
}


@rule(
    "DeploymentParameters Should Have Schema",
    source=arm_ttk("deploymentParameters/DeploymentParameters-Should-Have-Schema"),
    remedy=f"Give $schema the value {_SCHEMAS[0]}",
    needs=[PARAMETERS],
)
def deployment_parameters_should_have_schema(contents: Contents) -> Iterator[Fault]:
    """Find a file of parameters with another schema or none."""
    if member(contents.documents[PARAMETERS].value, "$schema") not in _SCHEMAS:
        yield Fault(PARAMETERS, ("$schema",), "$schema is not that of deployment parameters")


@rule(
    "DeploymentParameters Should Have ContentVersion",
    source=arm_ttk("deploymentParameters/DeploymentParameters-Should-Have-ContentVersion"),
    remedy='Write "contentVersion": "1.0.0.0".',
    needs=[PARAMETERS],
)
def deployment_parameters_should_have_content_version(contents: Contents) -> Iterator[Fault]:
    """Find a file of parameters without a version of its content."""
    version = member(contents.documents[PARAMETERS].value, "contentVersion")
    if not isinstance(version, str) or version.count(".") != "1.0.0.0".count("."):
        yield Fault(PARAMETERS, ("contentVersion",), "contentVersion is missing or has another form")


@rule(
    "DeploymentParameters Should Have Parameters",
    source=arm_ttk("deploymentParameters/DeploymentParameters-Should-Have-Parameters"),
    remedy='Write the values below "parameters".',
    needs=[PARAMETERS],
)
def deployment_parameters_should_have_parameters(contents: Contents) -> Iterator[Fault]:
    """Find a file of parameters in which `parameters` is missing or not an object."""
    if not isinstance(member(contents.documents[PARAMETERS].value, "parameters"), Mapping):
        yield Fault(PARAMETERS, ("parameters",), "there are no parameters")


@rule(
    "DeploymentParameters Should Have Value",
    source=arm_ttk("deploymentParameters/DeploymentParameters-Should-Have-Value"),
    remedy='Write {"value": ...}. A package takes no reference to a vault for a default.',
    needs=[PARAMETERS],
)
def deployment_parameters_should_have_value(contents: Contents) -> Iterator[Fault]:
    """Find a parameter without a value."""
    for name, given in _given(contents).items():
        if not isinstance(given, Mapping) or "value" not in given:
            yield Fault(PARAMETERS, ("parameters", name), f"{name} has no value")


@rule(
    "Publisher Values Must Fit The Template",
    source="learn azure-resource-manager/templates/parameter-files",
    remedy="Give a parameter of the template a value of its type.",
    needs=[PARAMETERS, TEMPLATE],
)
def publisher_values_must_fit_the_template(contents: Contents) -> Iterator[Fault]:
    """Find a value for an unknown or secret parameter, a value of another type, or a value that is not allowed."""
    declared: Any = member(contents.documents[TEMPLATE].value, "parameters")
    for name, given in _given(contents).items():
        path, value = ("parameters", name), member(given, "value")
        parameter = declared.get(name) if isinstance(declared, Mapping) else None
        expected = _KINDS.get(str(member(parameter, "type")).lower())
        if not isinstance(parameter, Mapping):
            yield Fault(PARAMETERS, path, f"the template has no parameter {name}")
        elif is_secure(parameter):
            yield Fault(PARAMETERS, path, f"{name} is a secret, and a package is public")
        elif expected and (not isinstance(value, expected) or (expected is int and isinstance(value, bool))):
            yield Fault(PARAMETERS, path, f"{name} takes a value of type {parameter['type']}")
        elif value not in (allowed := allowed_values(parameter, [value])):
            yield Fault(PARAMETERS, path, f"{name} takes one of {allowed}")


def _given(contents: Contents) -> Mapping[str, Any]:
    found = member(contents.documents[PARAMETERS].value, "parameters")
    return found if isinstance(found, Mapping) else {}
