"""Rules of a template's parameters and variables."""

from collections.abc import Iterator, Mapping

from runbook_lib.basics.strict_json import member
from vibedata.package.contents import Contents
from vibedata.package.located_json import Path
from vibedata.package.rule import Fault, arm_ttk, template_rule
from vibedata.package.template import Scope, names_in, referenced

_ARTIFACTS, _SAS_TOKEN = "_artifactsLocation", "_artifactsLocationSasToken"


@template_rule(
    "Parameters Must Be Referenced",
    source=arm_ttk("deploymentTemplate/Parameters-Must-Be-Referenced"),
    remedy="Use the parameter, or take it out of the template.",
)
def parameters_must_be_referenced(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find a parameter that no expression of its template names."""
    used = _used(scope, "parameters")
    for name in scope.section("parameters"):
        if name.lower() not in used:
            yield Fault(scope.name, (*scope.path, "parameters", name), f"nothing uses parameter {name}")


@template_rule(
    "Variables Must Be Referenced",
    source=arm_ttk("deploymentTemplate/Variables-Must-Be-Referenced"),
    remedy="Use the variable, or take it out of the template.",
)
def variables_must_be_referenced(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find a variable that no expression of its template names. A copy loop may have made the variable."""
    used = _used(scope, "variables")
    for path, name in _variables(scope):
        if name.lower() not in used:
            yield Fault(scope.name, path, f"nothing uses variable {name}")


@template_rule(
    "Min And Max Value Are Numbers",
    source=arm_ttk("deploymentTemplate/Min-And-Max-Value-Are-Numbers"),
    remedy="Give both minValue and maxValue, as whole numbers.",
)
def min_and_max_value_are_numbers(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find a bound that is not a whole number, or a bound without its counterpart."""
    for name, parameter in scope.section("parameters").items():
        given = parameter if isinstance(parameter, Mapping) else {}
        bounds = {key: given[key] for key in ("minValue", "maxValue") if key in given}
        path = (*scope.path, "parameters", name)
        for key, bound in bounds.items():
            if not isinstance(bound, int) or isinstance(bound, bool):
                yield Fault(scope.name, (*path, key), f"{key} of parameter {name} is no whole number")
        if len(bounds) == 1:
            yield Fault(scope.name, path, f"parameter {name} has {next(iter(bounds))} alone")


@template_rule(
    "Parameter Types Should Be Consistent",
    source=arm_ttk("deploymentTemplate/Parameter-Types-Should-Be-Consistent"),
    remedy="Give both parameters the same type.",
)
def parameter_types_should_be_consistent(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find a parameter of a nested template that gets a parameter of another type."""
    types = {name.lower(): _type(parameter) for name, parameter in scope.section("parameters").items()}
    for resource in scope.resources():
        if not resource.is_deployment:
            continue
        declared = member(resource.value, "properties", "template", "parameters")
        given = member(resource.value, "properties", "parameters")
        if not isinstance(given, Mapping) or not isinstance(declared, Mapping):
            continue
        for name, value in given.items():
            text = member(value, "value")
            # Only a value that is one parameter and nothing else has the type of that parameter.
            whole = next((each for each in names_in(text, "parameters") if text == _handed_on(text, each)), None)
            inner = _type(declared.get(name))
            if whole and inner and types.get(whole) not in (None, inner):
                path = (*resource.path, "properties", "parameters", name)
                yield Fault(scope.name, path, f"{name} is {inner}, and {whole}, which it is given, is {types[whole]}")


@template_rule(
    "artifacts parameter",
    source=arm_ttk("deploymentTemplate/artifacts-parameter"),
    remedy="In the main template, give the string _artifactsLocation the default"
    " [deployment().properties.templateLink.uri], and the securestring _artifactsLocationSasToken an empty one. In a"
    " nested template, give them none.",
)
def artifacts_parameter(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find a wrong declaration of _artifactsLocation or of _artifactsLocationSasToken.

    Azure sets these two parameters: they give the address of the package's files and the access to them.
    """
    parameters = scope.section("parameters")
    location, token = parameters.get(_ARTIFACTS), parameters.get(_SAS_TOKEN)
    if location is None:
        return
    path = (*scope.path, "parameters", _ARTIFACTS)
    if _type(location) not in ("string", "securestring"):
        yield Fault(scope.name, path, f"{_ARTIFACTS} is {_type(location)}")
    default = member(location, "defaultValue")
    if scope.is_main and "deployment().properties.templateLink" not in str(default):
        yield Fault(scope.name, path, f"{_ARTIFACTS} does not begin at the template's own address")
    if token is None:
        yield Fault(scope.name, path, f"there is no {_SAS_TOKEN} beside it")
    elif _type(token) != "securestring":
        yield Fault(scope.name, (*scope.path, "parameters", _SAS_TOKEN), f"{_SAS_TOKEN} is {_type(token)}")
    elif scope.is_main and token.get("defaultValue") != "":
        yield Fault(scope.name, (*scope.path, "parameters", _SAS_TOKEN), f"{_SAS_TOKEN} has no empty default")
    if not scope.is_main and (default is not None or member(token, "defaultValue") is not None):
        yield Fault(scope.name, path, "a nested template has its own default for it")


def _used(scope: Scope, function: str) -> set[str]:
    names = {referenced(call, function) for _, call in scope.calls()}
    return {name.lower() for name in names if name is not None}


def _variables(scope: Scope) -> Iterator[tuple[Path, str]]:
    for name, value in scope.section("variables").items():
        path = (*scope.path, "variables", name)
        if name != "copy":
            yield path, name
        elif isinstance(value, list):
            yield from (((*path, index), str(member(each, "name"))) for index, each in enumerate(value))


def _type(parameter: object) -> str:
    return str(member(parameter, "type") or "").lower()


def _handed_on(text: object, name: str) -> object:
    return text if str(text).lower().replace(" ", "") == f"[parameters('{name}')]" else None
