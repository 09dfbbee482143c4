"""Find literals that must be parameters (locations, hosts), and secrets that an output would show.

The package vibedata/image_tags finds literal image tags. Sources: Bicep's linter rules no-hardcoded-location,
no-hardcoded-env-urls (with its list of hosts), outputs-should-not-contain-secrets, secure-parameter-default;
Azure/azure-quickstart-templates 1-CONTRIBUTION-GUIDE/best-practices.md.
"""

import re
from collections.abc import Iterator

from vibedata.template.finding import Finding
from vibedata.template.syntax import (
    Call,
    Declaration,
    Document,
    Expression,
    Item,
    Member,
    Object,
    Text,
    expressions_of,
    is_secret,
    possible_values,
)

LOCATION, HOST, SECRET, SCOPE, NAME = "location", "host", "secret-output", "scope", "name"
HOSTS = (
    "api.loganalytics.io",
    "azurecr.io",
    "azuredatalakeanalytics.net",
    "azuredatalakestore.net",
    "batch.core.windows.net",
    "core.windows.net",
    "database.windows.net",
    "datalake.azure.net",
    "gallery.azure.com",
    "graph.windows.net",
    "login.microsoftonline.com",
    "management.azure.com",
    "management.core.windows.net",
    "region.asazure.windows.net",
    "trafficmanager.net",
    "vault.azure.net",
)
# The location of resources that Azure does not place in a region.
NO_REGION = "global"
GROUP = "resourceGroup"
# Stands for an expression in a text.
_ANY = "\x00"
_URL = re.compile(r"https?://[^\x00]")


def check_literals(document: Document) -> Iterator[Finding]:
    """Yield the literals that must be parameters, and outputs and defaults that show a secret.

    Also yield a wrong scope of the file, and resources outside of the managed resource group.
    """
    if document.scope != GROUP:
        message = f"the scope is {document.scope}, not {GROUP}"
        yield _finding(document, 1, SCOPE, message, "An application has rights only in its managed group")
    for declared in document.declarations:
        if declared.kind in ("resource", "module"):
            yield from _check_place(declared, document)
        for expression in expressions_of(declared):
            if isinstance(expression, Text):
                yield from _check_hosts(expression, document)
            elif isinstance(expression, Object):
                for item in expression.items:
                    yield from _check_item(item, document)
            elif _is_group_location(expression) and not (declared.kind == "param" and declared.name == "location"):
                message = "resourceGroup().location stands outside of the default of parameter location"
                yield _finding(document, expression.line, LOCATION, message, "Use the parameter location")
        if declared.kind == "param" and declared.name == "location":
            yield from _check_regions(declared, document)
        yield from _check_secrets(declared, document)


def _check_item(item: Item, document: Document) -> Iterator[Finding]:
    for value in possible_values(item.value, document):
        if isinstance(value, Text) and item.key.plain == "location" and value.plain != NO_REGION:
            yield _finding(document, value.line, LOCATION, "a location is a literal", "Use the parameter location")


def _check_regions(location: Declaration, document: Document) -> Iterator[Finding]:
    if location.decorator("allowed"):
        message = "parameter location takes only some regions"
        yield _finding(document, location.line, LOCATION, message, "Let Azure say where a service is offered")
    if isinstance(location.value, Text):
        message = "the default of parameter location is a literal"
        yield _finding(document, location.line, LOCATION, message, "Make it resourceGroup().location")


def _check_hosts(text: Text, document: Document) -> Iterator[Finding]:
    shape = _shape(text).lower()
    known = [host for host in HOSTS if host in shape]
    if known or _URL.search(shape):
        message = f"the host {known[0]} is a literal" if known else "an address is a literal"
        yield _finding(document, text.line, HOST, message, "Use environment(), a resource's address, or a parameter")


def _check_place(declared: Declaration, document: Document) -> Iterator[Finding]:
    items = {item.key.plain: item.value for item in declared.value.items} if isinstance(declared.value, Object) else {}
    scope, name = items.get("scope"), items.get("name")
    if isinstance(scope, Call) and not declared.existing:
        message = f"{declared.name} is deployed outside of the managed resource group"
        yield _finding(document, scope.line, SCOPE, message, "Azure's provider of applications has no rights there")
    plain = isinstance(name, Text) and name.plain is not None
    if declared.kind == "resource" and plain and "parent" not in items:
        message = f"the name of {declared.name} is a literal"
        yield _finding(document, declared.line, NAME, message, "Begin it with the prefix, so that instances differ")


def _check_secrets(declared: Declaration, document: Document) -> Iterator[Finding]:
    if declared.kind == "output" and is_secret(declared.value, document):
        message = f"output {declared.name} shows a secret"
        yield _finding(document, declared.line, SECRET, message, "Take it away: deployments keep their outputs")
    default = declared.value
    if declared.kind == "param" and declared.secure and isinstance(default, Text) and default.parts:
        message = f"secure parameter {declared.name} has a default, which everybody can read"
        yield _finding(document, default.line, SECRET, message, "Take it away, or make it empty")


def _is_group_location(expression: Expression) -> bool:
    return (
        isinstance(expression, Member)
        and expression.name == "location"
        and isinstance(expression.of, Call)
        and expression.of.function == "resourceGroup"
    )


def _shape(text: Text) -> str:
    return "".join(part if isinstance(part, str) else _ANY for part in text.parts)


def _finding(document: Document, line: int, rule: str, message: str, remedy: str) -> Finding:
    return Finding(file=document.file, line=line, rule=rule, message=message, remedy=remedy)
