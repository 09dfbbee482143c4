"""Rules about the values in a template: blanks, addresses, locations, expressions."""

import re
from collections.abc import Iterator

from runbook_lib.basics.strict_json import member
from vibedata.package.contents import Contents
from vibedata.package.expressions import Call, ExpressionError, is_expression, parse
from vibedata.package.rule import Fault, arm_ttk, template_rule
from vibedata.package.template import Scope, calls_in

# An empty value has a meaning here, or Azure demands it.
_MAY_BE_EMPTY = {
    "resources",
    "outputs",
    "variables",
    "parameters",
    "functions",
    "properties",
    "template",
    "defaultValue",
    "value",
    "accessPolicies",
    "clientId",
    "inputs",
    "notEquals",
    "workerPools",
}
# Hosts that have other names in Azure's other clouds.
_HOSTS = re.compile(
    r"(?<!//schema\.)(?:management\.core\.windows\.net|management\.azure\.com|gallery\.azure\.com|database\.windows\.net"
    r"|core\.windows\.net|login\.microsoftonline\.com|graph\.windows\.net|vault\.azure\.net|datalake\.azure\.net"
    r"|azuredatalake(?:store|analytics)\.net|api\.loganalytics\.io|asazure\.windows\.net)",
    re.IGNORECASE,
)
_LOCATION_OF = ("resourcegroup", "deployment")
_SCHEMAS = ("https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",)
_ADDRESS = re.compile(r"ur[il]$", re.IGNORECASE)
_JOINING = ("concat", "format")


@template_rule(
    "DeploymentTemplate Schema Is Correct",
    source=arm_ttk("deploymentTemplate/DeploymentTemplate-Schema-Is-Correct"),
    remedy=f"Give $schema the value {_SCHEMAS[0]}",
)
def deployment_template_schema_is_correct(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find a template that is not for a resource group.

    A managed application's template must be for a resource group.
    """
    if scope.value.get("$schema") not in _SCHEMAS:
        yield Fault(scope.name, (*scope.path, "$schema"), "$schema is not that of a resource group's template")


@template_rule(
    "Template Should Not Contain Blanks",
    source=arm_ttk("deploymentTemplate/Template-Should-Not-Contain-Blanks"),
    remedy="Take the empty value out: Azure reads it as the wish for an empty value.",
)
def template_should_not_contain_blanks(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find an empty object, list or text, or null."""
    for path, value in scope.values():
        key = path[-1] if path else None
        # A key that is an expression or a resource's id names an assigned identity. The value of such a key is empty.
        if not isinstance(key, str) or key in _MAY_BE_EMPTY or key.startswith(("[", "/subscriptions/")):
            continue
        if value is None or value in ({}, []) or (isinstance(value, str) and not value.strip()):
            yield Fault(scope.name, path, f"{key} is empty")


@template_rule(
    "DeploymentTemplate Must Not Contain Hardcoded Uri",
    source=arm_ttk("deploymentTemplate/DeploymentTemplate-Must-Not-Contain-Hardcoded-Uri"),
    remedy="Take the host from environment(), for example environment().suffixes.storage.",
)
def deployment_template_must_not_contain_hardcoded_uri(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find a host of Azure's public cloud. Only the declaration of a parameter may name such a host."""
    for path, text in scope.texts():
        if path[: len(scope.path) + 1] != (*scope.path, "parameters") and (found := _HOSTS.search(text)):
            yield Fault(scope.name, path, f"it names the host {found[0]}")


@template_rule(
    "Location Should Not Be Hardcoded",
    source=arm_ttk("deploymentTemplate/Location-Should-Not-Be-Hardcoded"),
    remedy="Use parameter location everywhere. In the main template its default is [resourceGroup().location].",
)
def location_should_not_be_hardcoded(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find a region that the customer cannot choose."""
    declared = scope.section("parameters").get("location")
    path = (*scope.path, "parameters", "location")
    default = str(member(declared, "defaultValue") or "[resourceGroup().location]").replace(" ", "").lower()
    if declared is not None and str(member(declared, "type")).lower() != "string":
        yield Fault(scope.name, path, "parameter location is no string")
    if default not in ("[resourcegroup().location]", "[deployment().location]", "global"):
        yield Fault(scope.name, path, "parameter location has a region for its default")
    deployments = {each.path for each in scope.resources() if each.is_deployment}
    for where, text in scope.texts():
        handed_on = any(where[:end] in deployments for end in range(len(where)))
        if where[: len(path) - 1] != path[:-1] and not handed_on and _asks_for_location(text):
            yield Fault(scope.name, where, "it takes the location of the resource group, not parameter location")


@template_rule(
    "Resources Should Have Location",
    source=arm_ttk("deploymentTemplate/Resources-Should-Have-Location"),
    remedy="Write an expression, for example [parameters('location')], or global.",
)
def resources_should_have_location(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find a resource whose location is a literal region."""
    for resource in scope.resources():
        location = resource.value.get("location", "global")
        if location != "global" and not (isinstance(location, str) and is_expression(location.strip())):
            yield Fault(scope.name, (*resource.path, "location"), f"the location is {location}")


@template_rule(
    "URIs Should Be Properly Constructed",
    source=arm_ttk("deploymentTemplate/URIs-Should-Be-Properly-Constructed"),
    remedy="Join an address with uri(base, relative).",
)
def uris_should_be_properly_constructed(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find an address that concat() or format() joins. One slash too many or too few would break it."""
    for path, value in scope.values():
        if not path or not isinstance(path[-1], str) or not _ADDRESS.search(path[-1]):
            continue
        # The value of a nested deployment's parameter is in the member `value`.
        names = [call.name.lower() for call in calls_in(value if isinstance(value, str) else member(value, "value"))]
        if (joining := next((name for name in names if name in (*_JOINING, "uri")), "uri")) != "uri":
            yield Fault(scope.name, path, f"{path[-1]} is joined by {joining}()")


@template_rule(
    "Dynamic Variable References Should Not Use Concat",
    source=arm_ttk("deploymentTemplate/Dynamic-Variable-References-Should-Not-Use-Concat"),
    remedy="Keep the choices in one object, and take one by its name: variables('sizes')[parameters('size')].",
)
def dynamic_variable_references_should_not_use_concat(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find a variable whose name is joined from parts."""
    for path, call in scope.calls():
        named = call.arguments[0] if call.name.lower() == "variables" and call.arguments else None
        if isinstance(named, Call) and named.name.lower() == "concat":
            yield Fault(scope.name, path, "the name of a variable is joined by concat()")


@template_rule(
    "Expressions Must Be Readable",
    source="learn azure-resource-manager/templates/template-expressions",
    remedy="Correct the expression. If Bicep made it, this program cannot read it yet.",
)
def expressions_must_be_readable(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find an expression that cannot be read. The other rules do not see what such an expression does."""
    for path, text in scope.texts():
        if is_expression(text):
            try:
                parse(text)
            except ExpressionError as error:
                yield Fault(scope.name, path, str(error))


def _asks_for_location(text: str) -> bool:
    squeezed = re.sub(r"\s", "", text.lower())
    return is_expression(text) and any(f"{name}().location" in squeezed for name in _LOCATION_OF)
