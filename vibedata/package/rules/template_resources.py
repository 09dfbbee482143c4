"""Rules of a template's resources: what they depend on, how they name others, machines and their images."""

import re
from collections.abc import Iterator

from runbook_lib.basics.strict_json import member
from vibedata.package.contents import Contents
from vibedata.package.expressions import Call
from vibedata.package.rule import Fault, arm_ttk, template_rule
from vibedata.package.template import Scope, calls_in, names_in

_MACHINES = ("microsoft.compute/virtualmachines", "microsoft.compute/virtualmachinescalesets")
# A property whose name ends with one of these words is not the id of a resource in the managed resource group.
_OTHER_IDS = (
    "tenantid",
    "subscriptionid",
    "principalid",
    "clientid",
    "objectid",
    "appid",
    "roledefinitionid",
    "keyvaultsecretid",
    "ruleid",
    "groupid",
    "parentid",
    "definitionid",
)
_ID_MAKERS = {
    "resourceid",
    "subscriptionresourceid",
    "tenantresourceid",
    "extensionresourceid",
    "parameters",
    "variables",
    "reference",
}
# For each function: the functions that its first argument may not call. The outer function takes the resource group and
# the subscription by itself, and it takes the parts of a name one by one.
_WITHIN = {
    "resourceid": {"resourcegroup", "subscription", "concat", "format"},
    "subscriptionresourceid": {"subscription", "concat", "format"},
    "tenantresourceid": {"concat", "format"},
    "extensionresourceid": {"concat", "format"},
    "reference": {"concat", "format"},
}


@template_rule(
    "DependsOn Best Practices",
    source=arm_ttk("deploymentTemplate/DependsOn-Best-Practices"),
    remedy="Name the resource by resourceId(). Azure ignores a dependency on a resource whose condition is false.",
)
def depends_on_best_practices(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find a dependency that begins with if() or concat(). With copyIndex(), it may begin with concat()."""
    for resource in scope.resources():
        named = resource.value.get("dependsOn")
        for index, text in enumerate(named if isinstance(named, list) else []):
            found = [call.name.lower() for call in calls_in(text)]
            loops = "copyindex" in found
            if found[:1] == ["if"] or (found[:1] == ["concat"] and not loops):
                yield Fault(scope.name, (*resource.path, "dependsOn", index), f"a dependency begins with {found[0]}()")


@template_rule(
    "Deployment Resources Must Not Be Debug",
    source=arm_ttk("deploymentTemplate/Deployment-Resources-Must-Not-Be-Debug"),
    remedy="Take debugSetting out: it records the input of the deployment, secrets included.",
)
def deployment_resources_must_not_be_debug(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find a nested deployment that records its requests or answers."""
    for resource in scope.resources():
        level = member(resource.value, "properties", "debugSetting", "detailLevel")
        if resource.is_deployment and str(level or "none").lower() != "none":
            path = (*resource.path, "properties", "debugSetting")
            yield Fault(scope.name, path, f"the deployment records {level}")


@template_rule(
    "VM Size Should Be A Parameter",
    source=arm_ttk("deploymentTemplate/VM-Size-Should-Be-A-Parameter"),
    remedy="Take the size from a parameter: not every region and subscription has every size.",
)
def vm_size_should_be_a_parameter(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find a machine size that the customer cannot choose. A variable may pass on the parameter with the size."""
    variables = {name.lower(): value for name, value in scope.section("variables").items()}
    for path, value in scope.values("resources"):
        if not path or path[-1] != "vmSize":
            continue
        given = value if isinstance(value, str) else member(value, "value")
        through = [variables.get(name) for name in names_in(given, "variables")]
        if not names_in(given, "parameters") and not any("parameters(" in str(each) for each in through):
            yield Fault(scope.name, path, f"the size is {given}")


@template_rule(
    "VM Images Should Use Latest Version",
    source=arm_ttk("deploymentTemplate/VM-Images-Should-Use-Latest-Version"),
    remedy="Give imageReference the version latest, or take the version from a parameter.",
)
def vm_images_should_use_latest_version(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find an image of a machine that always has the same version."""
    for path, image in _machine_images(scope):
        version = member(image, "version")
        if isinstance(version, str) and version != "latest" and not names_in(version, "parameters"):
            yield Fault(scope.name, (*path, "version"), f"the image's version is {version}")


@template_rule(
    "Virtual Machines Should Not Be Preview",
    source=arm_ttk("deploymentTemplate/Virtual-Machines-Should-Not-Be-Preview"),
    remedy="Use an image that is not a preview.",
)
def virtual_machines_should_not_be_preview(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find a machine's image that is a preview."""
    for path, image in _machine_images(scope):
        for key in ("offer", "sku", "version"):
            if str(member(image, key)).lower().endswith("preview"):
                yield Fault(scope.name, (*path, key), f"the image's {key} is a preview's")


@template_rule(
    "IDs Should Be Derived From ResourceIDs",
    source=arm_ttk("deploymentTemplate/IDs-Should-Be-Derived-From-ResourceIDs"),
    remedy="Make the id with resourceId(), or take it from a parameter.",
)
def ids_should_be_derived_from_resource_ids(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find an id that does not come from resourceId() or a similar function, a parameter, a variable or a reference.

    Like arm-ttk, this rule leaves out templates that Bicep has made.
    """
    if scope.by_bicep:
        return
    for path, value in scope.values("resources"):
        key = str(path[-1]).lower()
        if not key.endswith("id") or key.endswith(_OTHER_IDS) or not isinstance(value, str):
            continue
        if not {call.name.lower() for call in calls_in(value)} & _ID_MAKERS:
            yield Fault(scope.name, path, f"{path[-1]} is not made by resourceId()")


@template_rule(
    "ResourceIds should not contain",
    source=arm_ttk("deploymentTemplate/ResourceIds-should-not-contain"),
    remedy="Give the function the parts of the name one by one. It takes the subscription and the group by itself.",
)
def resource_ids_should_not_contain(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find a call of resourceId() or a similar function whose first argument is a call of a wrong function.

    The wrong functions are concat(), format(), and those whose values the outer function takes by itself. Like arm-ttk,
    this rule leaves out templates that Bicep has made.
    """
    if scope.by_bicep:
        return
    for path, call in scope.calls():
        name = call.name.lower()
        refused = {"concat", "format"} if re.fullmatch(r"list\w+", name) else _WITHIN.get(name, set())
        first = call.arguments[0] if call.arguments else None
        if isinstance(first, Call) and first.name.lower() in refused:
            yield Fault(scope.name, path, f"{call.name}() begins with {first.name}()")


def _machine_images(scope: Scope) -> Iterator[tuple[tuple[str | int, ...], object]]:
    for resource in scope.resources():
        if resource.type.lower() in _MACHINES:
            for way in (("storageProfile",), ("virtualMachineProfile", "storageProfile")):
                image = member(resource.value, "properties", *way, "imageReference")
                if image is not None:
                    yield (*resource.path, "properties", *way, "imageReference"), image
