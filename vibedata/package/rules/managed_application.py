"""Rules for managed applications in general, and for this one."""

import re
from collections.abc import Iterator, Mapping

from runbook_lib.basics.strict_json import member
from vibedata.package.contents import PARAMETERS, TEMPLATE, Contents
from vibedata.package.expressions import Call, Literal, is_expression
from vibedata.package.rule import Fault, rule, template_rule
from vibedata.package.template import Scope, calls_in, scopes

# Bicep's linter has the limits of Azure Resource Manager.
LIMITS = {"parameters": 256, "variables": 512, "outputs": 64}
MAX_RESOURCES = 800
_ROLE_ASSIGNMENTS = "microsoft.authorization/roleassignments"
_JOB_SCHEDULES = "microsoft.automation/automationaccounts/jobschedules"
# The additional members of a parameter or an output in language version 2.0.
_OF_TYPES = ("$ref", "additionalProperties", "discriminator", "items", "nullable", "prefixItems", "properties")
_IMAGE = re.compile(r"image|(?:linux|windows)FxVersion")
# A character that cannot be part of a reference to an image, or of `DOCKER|` before it.
_BETWEEN = re.compile(r"[^\w.|/:@-]")


@template_rule(
    "Template Language Must Be 1.0",
    source="MicrosoftDocs/azure-docs pull request 126437; Azure/bicep Emit/EmitterSettings.cs",
    remedy="Take the Bicep feature out that needs language version 2.0: types, user-defined functions, imports, secure"
    " outputs, object or nullable types of parameters, a module without a name. Managed applications take only 1.0.",
)
def template_language_must_be_1_0(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find the parts of a template that need language version 2.0."""
    for key in ("languageVersion", "definitions", "imports", "extensions"):
        if key in scope.value:
            yield Fault(scope.name, (*scope.path, key), f"the template has {key}")
    for part in ("parameters", "outputs"):
        declared = scope.value.get(part)
        for name, value in declared.items() if isinstance(declared, Mapping) else ():
            for key in _OF_TYPES if isinstance(value, Mapping) else ():
                if key in value:
                    yield Fault(scope.name, (*scope.path, part, name, key), f"{name} has {key}")
    if not isinstance(scope.value.get("resources"), list):
        yield Fault(scope.name, (*scope.path, "resources"), "resources is no list")


@template_rule(
    "Deployments Must Stay In The Managed Resource Group",
    source="microsoft/metered-billing-accelerator issue 220; learn managed-applications/key-vault-access",
    remedy="Deploy only into the managed resource group. The provider that deploys has no rights anywhere else.",
)
def deployments_must_stay_in_the_managed_resource_group(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find a nested deployment that names a resource group or subscription, or a resource with a scope outside."""
    for resource in scope.resources():
        for key in ("resourceGroup", "subscriptionId"):
            if resource.is_deployment and key in resource.value:
                yield Fault(scope.name, (*resource.path, key), f"the deployment names {key}")
        named = resource.value.get("scope")
        # A resource of the group may be the scope of an extension resource. A scope outside of the group is a literal
        # with a leading slash, or a call such as subscription().
        if isinstance(named, str) and (named.startswith("/") or _is_outside(named)):
            yield Fault(scope.name, (*resource.path, "scope"), f"the scope is {named}")


@template_rule(
    "Deployment Mode Must Be Incremental",
    source="learn marketplace/plan-azure-app-managed-app",
    remedy="Write mode Incremental. Complete deletes what the runbooks have made.",
)
def deployment_mode_must_be_incremental(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find a nested deployment without mode Incremental. Mode Complete deletes all resources that it does not name."""
    for resource in scope.resources():
        mode = member(resource.value, "properties", "mode")
        if resource.is_deployment and mode != "Incremental":
            yield Fault(scope.name, (*resource.path, "properties", "mode"), f"the mode is {mode}")


@template_rule(
    "Role Assignments Must Name The Principal Type",
    source="learn role-based-access-control/troubleshooting; Azure/avdaccelerator issue 99",
    remedy="Write principalType, for an identity ServicePrincipal: Azure may not know a new identity yet.",
)
def role_assignments_must_name_the_principal_type(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find a role assignment that fails now and then, because Azure has just created the identity."""
    for resource in scope.resources():
        if resource.type.lower() == _ROLE_ASSIGNMENTS and member(resource.value, "properties", "principalType") is None:
            yield Fault(scope.name, (*resource.path, "properties"), "principalType is missing")


@template_rule(
    "Job Schedules Must Not Be Deployed",
    source="Azure/azure-resource-manager-schemas issue 313",
    remedy="Leave schedules to the runbooks: a second deployment of a job schedule fails.",
)
def job_schedules_must_not_be_deployed(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find a link between a schedule and a runbook. Such a link cannot be deployed twice."""
    for resource in scope.resources():
        if resource.type.lower() == _JOB_SCHEDULES:
            yield Fault(scope.name, resource.path, "the template deploys a job schedule")


@template_rule(
    "Images Must Be Parameters",
    source="requirement NFR-10: no image tags in templates",
    remedy="Take the image's reference from a parameter: one code base serves each release.",
)
def images_must_be_parameters(scope: Scope, contents: Contents) -> Iterator[Fault]:
    """Find a tag or a digest of an image in the template. The publisher's values may have one."""
    document = contents.documents.get(PARAMETERS)
    given = member(document.value, "parameters") if document and scope.is_main else None
    defaults = {("parameters", name) for name in given} if isinstance(given, Mapping) else set()
    for path, value in scope.values():
        if path[:2] in defaults:
            continue
        key = next((each for each in reversed(path) if isinstance(each, str) and each != "defaultValue"), "")
        if not isinstance(value, str) or not _IMAGE.search(key):
            continue
        literals = [_literals(call) for call in calls_in(value)] if is_expression(value) else [[value]]
        for text in [each for found in literals for each in found]:
            if _names_image(text):
                yield Fault(scope.name, path, f"{key} names {text}")


def _names_image(text: str) -> bool:
    """Return whether a text holds a digest, or a tag after a name with a slash, such as `host/name:tag`."""
    for word in _BETWEEN.split(text):
        folder, _, last = word.rpartition("/")
        name, _, tag = last.partition(":")
        if "@sha256:" in word or (folder and name and tag):
            return True
    return False


@rule(
    "Template Limits Must Be Kept",
    source="Azure/bicep linter: max-params, max-variables, max-outputs, max-resources",
    remedy="Move a part of the template into a module.",
    needs=[TEMPLATE],
)
def template_limits_must_be_kept(contents: Contents) -> Iterator[Fault]:
    """Find a template that exceeds a number that Azure Resource Manager allows."""
    for scope in scopes(contents.documents[TEMPLATE]):
        for section, most in LIMITS.items():
            if (count := len(scope.section(section))) > most:
                yield Fault(scope.name, (*scope.path, section), f"{count} {section}, at most {most}")
        if (count := len(list(scope.resources()))) > MAX_RESOURCES:
            yield Fault(scope.name, (*scope.path, "resources"), f"{count} resources, at most {MAX_RESOURCES}")


def _is_outside(text: str) -> bool:
    return any(call.name.lower() in ("subscription", "subscriptionresourceid", "tenant") for call in calls_in(text)[:1])


def _literals(call: Call) -> list[str]:
    return [each.value for each in call.arguments if isinstance(each, Literal) and isinstance(each.value, str)]
