"""Rules about a createUiDefinition's outputs, which become the template's parameters."""

from collections.abc import Iterator, Mapping
from typing import Any

from runbook_lib.basics.strict_json import member
from vibedata.package.contents import TEMPLATE, USER_INTERFACE, Contents
from vibedata.package.controls import BASICS, CHOICES, PASSWORD_BOX, SECTION, Element, elements, outputs
from vibedata.package.expressions import Call, Expression, ExpressionError, Literal, Member, is_expression, parse
from vibedata.package.rule import Fault, arm_ttk, rule
from vibedata.package.template import allowed_values, is_secure, scopes

_PROVIDERS = "learn azure-resource-manager/managed-applications/create-uidefinition-overview"
# The portal itself takes these outputs.
_OF_THE_APPLICATION = ("applicationresourcename", "jitaccesspolicy", "managedidentity", "managedresourcegroupid")
# These providers are registered in every subscription.
_ALWAYS_REGISTERED = {"microsoft.authorization", "microsoft.resources"}
_SIZE_SELECTOR = "Microsoft.Compute.SizeSelector"
_PATH = ("parameters", "outputs")


@rule(
    "Location Should Be In Outputs",
    source=arm_ttk("CreateUIDefinition/Location-Should-Be-In-Outputs"),
    remedy='Write "location": "[location()]" in the outputs.',
    needs=[USER_INTERFACE],
)
def location_should_be_in_outputs(contents: Contents) -> Iterator[Fault]:
    """Find a definition that does not pass on the customer's region."""
    found = outputs(contents.documents[USER_INTERFACE].value).get("location")
    if not isinstance(found, str) or found.strip() != "[location()]":
        yield Fault(USER_INTERFACE, (*_PATH, "location"), "output location is not [location()]")


@rule(
    "Controls In Outputs Must Exist",
    source=arm_ttk("CreateUIDefinition/Controls-In-Outputs-Must-Exist"),
    remedy="Correct the name of the step or of the element.",
    needs=[USER_INTERFACE],
)
def controls_in_outputs_must_exist(contents: Contents) -> Iterator[Fault]:
    """Find an output that names a step or an element that does not exist."""
    definition = contents.documents[USER_INTERFACE].value
    by_way = _by_way(definition)
    for name, text in outputs(definition).items():
        for way in _named_in(text):
            element = _element_at(way, by_way)
            known = (way[0],) if element is None else (*element.way, element.name)
            if element is None or (element.type == SECTION and known != way):
                where = f"step {way[0]}" if way[0] else "the basics"
                wrong = ".".join(way[1 : len(known) + 1])
                yield Fault(USER_INTERFACE, (*_PATH, name), f"there is no element {wrong} in {where}")


@rule(
    "Outputs Must Be Present In Template Parameters",
    source=arm_ttk("CreateUIDefinition/Outputs-Must-Be-Present-In-Template-Parameters"),
    remedy="Name a parameter of the template, or take the output out.",
    needs=[USER_INTERFACE, TEMPLATE],
)
def outputs_must_be_present_in_template_parameters(contents: Contents) -> Iterator[Fault]:
    """Find an output that no parameter of the template takes."""
    declared = _declared(contents)
    for name in outputs(contents.documents[USER_INTERFACE].value):
        if name not in declared and name.lower() not in _OF_THE_APPLICATION:
            yield Fault(USER_INTERFACE, (*_PATH, name), f"the template has no parameter {name}")


@rule(
    "Parameters Without Default Must Exist In CreateUIDefinition",
    source=arm_ttk("CreateUIDefinition/Parameters-Without-Default-Must-Exist-In-CreateUIDefinition"),
    remedy="Ask the customer for it, or give it among the publisher's values with --parameters FILE.",
    needs=[USER_INTERFACE, TEMPLATE],
)
def parameters_without_default_must_exist_in_create_ui_definition(contents: Contents) -> Iterator[Fault]:
    """Find a parameter that nobody gives a value."""
    asked = outputs(contents.documents[USER_INTERFACE].value)
    for name, parameter in _declared(contents).items():
        if member(parameter, "defaultValue") is None and name not in asked:
            yield Fault(TEMPLATE, ("parameters", name), f"nobody gives parameter {name} a value")


@rule(
    "Allowed Values Should Actually Be Allowed",
    source=arm_ttk("CreateUIDefinition/Allowed-Values-Should-Actually-Be-Allowed"),
    remedy="Offer what the template's parameter allows, its default included.",
    needs=[USER_INTERFACE, TEMPLATE],
)
def allowed_values_should_actually_be_allowed(contents: Contents) -> Iterator[Fault]:
    """Find a choice that the template refuses, or a default of the template that the customer cannot choose."""
    for element, name, parameter in _given(contents, CHOICES):
        path = (*element.path, "constraints", "allowedValues")
        found = element.constraints.get("allowedValues")
        offered = [member(each, "value") for each in found] if isinstance(found, list) else []
        allowed = allowed_values(parameter, offered)
        for index, value in enumerate(offered):
            if value not in allowed:
                yield Fault(USER_INTERFACE, (*path, index), f"parameter {name} does not allow {value}")
        default = parameter.get("defaultValue")
        if default is not None and not is_expression(str(default)) and default not in offered:
            yield Fault(USER_INTERFACE, path, f"the default of parameter {name}, {default}, is not offered")


@rule(
    "Password Textboxes Must Be Used For Password Parameters",
    source=arm_ttk("CreateUIDefinition/Password-Textboxes-Must-Be-Used-For-Password-Parameters"),
    remedy="Ask for a secret in a password box, and declare its parameter as securestring.",
    needs=[USER_INTERFACE, TEMPLATE],
)
def password_textboxes_must_be_used_for_password_parameters(contents: Contents) -> Iterator[Fault]:
    """Find a secret that is shown while it is entered, or a password that the template does not keep secret."""
    for element, name, parameter in _given(contents, None):
        if (element.type == PASSWORD_BOX) != is_secure(parameter):
            yield Fault(USER_INTERFACE, element.path, f"{element.name} and parameter {name} are not both of secrets")


@rule(
    "VMSizes Must Match Template",
    source=arm_ttk("CreateUIDefinition/VMSizes-Must-Match-Template"),
    remedy="Offer the size that is the default of the template's parameter.",
    needs=[USER_INTERFACE, TEMPLATE],
)
def vm_sizes_must_match_template(contents: Contents) -> Iterator[Fault]:
    """Find a choice of machine sizes that does not have the template's default."""
    for element, name, parameter in _given(contents, (_SIZE_SELECTOR,)):
        allowed = element.constraints.get("allowedSizes")
        default = parameter.get("defaultValue")
        if isinstance(allowed, list) and default is not None and default not in allowed:
            yield Fault(USER_INTERFACE, element.path, f"the default of parameter {name}, {default}, is not offered")


@rule(
    "Resource Providers Must Be Listed",
    source=_PROVIDERS,
    remedy="Add the provider to config.basics.subscription.resourceProviders.",
    needs=[USER_INTERFACE, TEMPLATE],
)
def resource_providers_must_be_listed(contents: Contents) -> Iterator[Fault]:
    """Find a provider that the template needs, and that the portal does not check before the purchase."""
    way = ("parameters", "config", "basics", "subscription", "resourceProviders")
    listed = member(contents.documents[USER_INTERFACE].value, *way)
    known = {str(each).lower() for each in listed} if isinstance(listed, list) else set()
    needed = {
        resource.type.split("/")[0]
        for scope in scopes(contents.documents[TEMPLATE])
        for resource in scope.resources()
        if "/" in resource.type
    }
    for name in sorted(needed):
        if name.lower() not in known | _ALWAYS_REGISTERED:
            yield Fault(USER_INTERFACE, way, f"{name} is not listed")


def _declared(contents: Contents) -> Mapping[str, Any]:
    found = member(contents.documents[TEMPLATE].value, "parameters")
    return found if isinstance(found, Mapping) else {}


def _given(contents: Contents, types: tuple[str, ...] | None) -> Iterator[tuple[Element, str, Mapping[str, Any]]]:
    """Yield each element that an output names, and the name and declaration of the parameter that takes the output.

    `types` are the types of the wanted elements, None for all types but sections.
    """
    definition = contents.documents[USER_INTERFACE].value
    by_way = _by_way(definition)
    for name, text in outputs(definition).items():
        parameter = _declared(contents).get(name)
        for way in _named_in(text):
            element = _element_at(way, by_way)
            if element is None or element.type == SECTION or not isinstance(parameter, Mapping):
                continue
            if types is None or element.type in types:
                yield element, name, parameter


def _by_way(definition: Any) -> Mapping[tuple[str, ...], Element]:
    return {(*element.way, element.name): element for element in elements(definition)}


def _element_at(way: tuple[str, ...], by_way: Mapping[tuple[str, ...], Element]) -> Element | None:
    """Return the element that the longest beginning of a way names. The other names are of parts of its value."""
    return next((by_way[way[:end]] for end in range(len(way), 1, -1) if way[:end] in by_way), None)


def _named_in(output: Any) -> Iterator[tuple[str, ...]]:
    """Yield the step, and the names below it, for each element that an output names, also within an object."""
    if isinstance(output, Mapping):
        for each in output.values():
            yield from _named_in(each)
    elif isinstance(output, str) and is_expression(output):
        try:
            yield from _ways(parse(output))
        except ExpressionError:
            return  # rules/ui_visibility.py finds it


def _ways(expression: Expression) -> Iterator[tuple[str, ...]]:
    keys: list[str] = []
    inner = expression
    while isinstance(inner, Member) and isinstance(inner.key, Literal):
        keys.insert(0, str(inner.key.value))
        inner = inner.of
    if isinstance(inner, Member):  # an index that is an expression
        yield from _ways(inner.of)
        yield from _ways(inner.key)
    if not isinstance(inner, Call):
        return
    named = [str(each.value) for each in inner.arguments if isinstance(each, Literal)]
    if inner.name == "basics" and named:
        yield BASICS, named[0], *keys
    elif inner.name == "steps" and named and keys:
        yield named[0], *keys
    for each in inner.arguments:
        yield from _ways(each)
