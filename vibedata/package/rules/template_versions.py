"""Rules of the api-versions in a template."""

import re
from collections.abc import Iterator

from vibedata.package.contents import Contents
from vibedata.package.expressions import Call, Literal
from vibedata.package.rule import Fault, arm_ttk, template_rule
from vibedata.package.template import Scope
from vibedata.template.azure_types import published

# arm-ttk takes two years. The reviewers' guide of Azure's quickstart templates takes one.
MAX_AGE_DAYS = 365
_GUIDE = "Azure/azure-quickstart-templates 1-CONTRIBUTION-GUIDE/best-practices.md"
_READS = re.compile(r"reference|list\w+", re.IGNORECASE)
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-\w+)?")


@template_rule(
    "apiVersions Should Be Recent",
    source=f"{arm_ttk('deploymentTemplate/apiVersions-Should-Be-Recent')}; {_GUIDE}",
    remedy="Use the newest stable api-version, which the message names.",
    types=True,
)
def api_versions_should_be_recent(scope: Scope, contents: Contents) -> Iterator[Fault]:
    """Find an api-version that is not a literal, that is a preview, or that the type does not have.

    Also find an api-version that is over a year old although a newer one exists.
    """
    for resource in scope.resources():
        version = resource.value.get("apiVersion")
        path = (*resource.path, "apiVersion")
        if resource.is_deployment and scope.by_bicep:
            continue  # the compiler chooses the api-version
        if not isinstance(version, str) or not _VERSION.fullmatch(version):
            yield Fault(scope.name, path, f"the api-version of {resource.type} is no literal date")
        elif trouble := _trouble(resource.type, version, contents):
            yield Fault(scope.name, path, trouble)


@template_rule(
    "apiVersions Should Be Recent In Reference Functions",
    source=arm_ttk("deploymentTemplate/apiVersions-Should-Be-Recent-In-Reference-Functions"),
    remedy="Use the newest stable api-version, which the message names.",
    types=True,
)
def api_versions_should_be_recent_in_reference_functions(scope: Scope, contents: Contents) -> Iterator[Fault]:
    """Find a preview, an unknown or an old api-version in a function that reads a resource."""
    for path, call in scope.calls():
        if not _READS.fullmatch(call.name) or len(call.arguments) < 2:
            continue
        of, version = call.arguments[:2]
        named = [each.value for each in of.arguments if isinstance(each, Literal)] if isinstance(of, Call) else []
        types = [each for each in named if isinstance(each, str) and "/" in each]
        given = version.value if isinstance(version, Literal) else None
        if types and isinstance(given, str) and (trouble := _trouble(types[0], given, contents)):
            yield Fault(scope.name, path, trouble)


@template_rule(
    "providers apiVersions Is Not Permitted",
    source=arm_ttk("deploymentTemplate/providers_apiVersions-Is-Not-Permitted"),
    remedy="Write the api-version as a literal.",
)
def providers_api_versions_is_not_permitted(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find an api-version that the template asks Azure for. Such an api-version changes by itself."""
    for path, text in scope.texts():
        begin = re.search(r"\bproviders\(", text, re.IGNORECASE)
        if begin and re.search(r"\)\s*\.\s*apiVersions", text[begin.end() :], re.IGNORECASE):
            yield Fault(scope.name, path, "it asks for the api-version")


def _trouble(type_: str, version: str, contents: Contents) -> str | None:
    known, day = contents.types.find(type_), published(version)
    if known is None or day is None or version == known.api_version:
        return None  # rules/resource_types.py reports an unknown type
    if version.count("-") > 2:
        return f"{type_} has the preview {version}, and the stable version {known.api_version}"
    if version not in known.stable_versions:
        return f"{type_} has no api-version {version}; the newest is {known.api_version}"
    age = (contents.today - day).days
    return f"{version} of {type_} is {age} days old; the newest is {known.api_version}" if age > MAX_AGE_DAYS else None
