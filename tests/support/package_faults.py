"""One seeded fault for each rule of a template, and the line that the finding must name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.package_drafts import Draft
from vibedata.package.rules.managed_application import MAX_RESOURCES

SECRET = {"type": "securestring"}
MACHINE = {
    "type": "Microsoft.Compute/virtualMachines",
    "apiVersion": "2026-03-02",
    "name": "jump",
    "location": "[parameters('location')]",
}


@dataclass(frozen=True, kw_only=True)
class Seed:
    """A fault. `marker` is in the line that the finding must name. It is empty for a file that is not JSON."""

    rule: str
    marker: str
    edit: Callable[[Draft], object]


def seed(rule: str, marker: str, edit: Callable[[Draft], object]) -> Seed:
    return Seed(rule=rule, marker=marker, edit=edit)


def _new_parameter(name: str, declared: dict[str, Any]) -> Callable[[Draft], object]:
    """Add a parameter that an output uses."""

    def edit(draft: Draft) -> None:
        draft.template["parameters"][name] = declared
        draft.template["outputs"]["seeded"] = {"type": "string", "value": f"[string(parameters('{name}'))]"}

    return edit


def _output(value: str) -> Callable[[Draft], object]:
    return lambda draft: draft.template["outputs"].update(seeded={"type": "string", "value": value})


def _machine(**properties: object) -> Callable[[Draft], object]:
    return lambda draft: draft.resources.append({**MACHINE, "properties": properties})


def _nested(**properties: object) -> Callable[[Draft], object]:
    template: dict[str, Any] = {"resources": []}
    deployment = {
        "type": "Microsoft.Resources/deployments",
        "apiVersion": "2025-04-01",
        "name": "nested",
        "properties": {"mode": "Incremental", "template": template, **properties},
    }
    return lambda draft: draft.resources.append(deployment)


def _secret_in_variables(draft: Draft) -> None:
    """Each variable uses the next two. So very many ways lead from the first variable to the last."""
    draft.template["parameters"]["adminKey"] = SECRET
    names = [*map("a".__mul__, range(1, 60))]
    pairs = zip(names, names[1:], names[2:], strict=False)
    draft.template["variables"] |= {a: f"[concat(variables('{b}'), variables('{c}'))]" for a, b, c in pairs}
    draft.template["variables"] |= dict.fromkeys(names[-2:], "[parameters('adminKey')]")
    _output("[variables('a')]")(draft)


def _secret_outside(draft: Draft) -> None:
    draft.template["parameters"]["adminKey"] = SECRET
    outputs = {"seeded": {"type": "string", "value": "[parameters('adminKey')]"}}
    _nested(template={"resources": [], "outputs": outputs})(draft)


def _secret_command(draft: Draft) -> None:
    draft.template["parameters"]["adminKey"] = SECRET
    settings = {"commandToExecute": "[concat('run ', parameters('adminKey'))]"}
    _machine(type="CustomScript", settings=settings)(draft)


def _by_hand(draft: Draft) -> None:
    del draft.template["metadata"]["_generator"]


def _id_by_hand(draft: Draft) -> None:
    _by_hand(draft)
    _machine(networkId="[concat(resourceGroup().id, '/providers/x')]")(draft)


def _parts_by_hand(draft: Draft) -> None:
    _by_hand(draft)
    _output("[resourceId(resourceGroup().name, concat('Microsoft.Network/', 'x'), resourceId(resourceGroup()))]")(draft)


def _account(draft: Draft) -> Any:
    return draft.module("storage")["resources"][0]


def _role(draft: Draft) -> Any:
    return draft.module("storage")["resources"][4]


def _many_resources(draft: Draft) -> None:
    draft.resources.extend({**draft.resources[-1], "name": f"rule-{each}"} for each in range(MAX_RESOURCES))


TEMPLATE_SEEDS = (
    seed(
        "DeploymentTemplate Schema Is Correct",
        "2015-01-01",
        lambda draft: draft.template.update({"$schema": "https://schema.management.azure.com/schemas/2015-01-01/x#"}),
    ),
    seed("Template Should Not Contain Blanks", '"tags": {}', lambda draft: _account(draft).update(tags={})),
    seed(
        "DeploymentTemplate Must Not Contain Hardcoded Uri",
        "x.vault.azure.net",
        _output("https://x.vault.azure.net/secrets/a"),
    ),
    seed(
        "Location Should Not Be Hardcoded",
        '"seeded": "[resourceGroup().location]"',
        lambda draft: draft.template["variables"].update(seeded="[resourceGroup().location]"),
    ),
    seed(
        "Resources Should Have Location",
        '"location": "westeurope"',
        lambda draft: _account(draft).update(location="westeurope"),
    ),
    seed(
        "URIs Should Be Properly Constructed",
        '"uri": "[concat',
        lambda draft: draft.module("automation")["resources"][2]["properties"]["publishContentLink"].update(
            uri="[concat(parameters('runbookUri'), 'x')]"
        ),
    ),
    seed(
        "Dynamic Variable References Should Not Use Concat",
        "variables(concat",
        _output("[variables(concat('pe', parameters('prefix')))]"),
    ),
    seed("Expressions Must Be Readable", "[concat('a'", _output("[concat('a']")),
    seed(
        "Parameters Must Be Referenced",
        '"unused"',
        lambda draft: draft.module("storage")["parameters"].update(unused={"type": "string"}),
    ),
    seed(
        "Variables Must Be Referenced",
        '"unused"',
        lambda draft: draft.module("storage")["variables"].update(unused="x"),
    ),
    seed(
        "Min And Max Value Are Numbers",
        '"maxValue": "9"',
        _new_parameter("seeded", {"type": "int", "minValue": 1, "maxValue": "9", "defaultValue": 2}),
    ),
    seed(
        "Parameter Types Should Be Consistent",
        '"retentionDays": {',
        lambda draft: draft.module("storage")["parameters"].update(retentionDays={"type": "string"}),
    ),
    seed(
        "artifacts parameter",
        '"_artifactsLocation": {',
        lambda draft: draft.template["parameters"]["_artifactsLocation"].update(defaultValue="https://x.example/"),
    ),
    seed("Outputs Must Not Contain Secrets", "listKeys", _output("[listKeys('x', '2026-04-01').keys[0].value]")),
    seed("Outputs Must Not Contain Secrets", "ConnectionString", _output("[reference('i').ConnectionString]")),
    seed("Outputs Must Not Contain Secrets", "variables('a')", _secret_in_variables),
    seed("Outputs Must Not Contain Secrets", "primaryKey", _output("[reference('w')['primaryKey']]")),
    seed(
        "Secure String Parameters Cannot Have Default",
        '"defaultValue": "letmein"',
        _new_parameter("seeded", {**SECRET, "defaultValue": "letmein"}),
    ),
    seed(
        "Password params must be secure",
        '"databasePassword"',
        _new_parameter("databasePassword", {"type": "string", "defaultValue": "x"}),
    ),
    seed("Secure Params In Nested Deployments", "parameters('adminKey')", _secret_outside),
    seed("CommandToExecute Must Use ProtectedSettings For Secrets", "commandToExecute", _secret_command),
    seed("adminUsername Should Not Be A Literal", '"adminUsername"', _machine(adminUsername="root")),
    seed("adminPassword Should Not Be A Literal", '"adminPassword"', _machine(adminPassword="letmein")),
    seed(
        "ManagedIdentityExtension must not be used", "ManagedIdentityExtension", _machine(a="ManagedIdentityExtension")
    ),
    seed(
        "DependsOn Best Practices",
        "[if(equals(1, 1)",
        lambda draft: draft.resources[-1].update(dependsOn=["[if(equals(1, 1), 'a', 'b')]"]),
    ),
    seed(
        "Deployment Resources Must Not Be Debug",
        '"debugSetting"',
        _nested(debugSetting={"detailLevel": "requestContent"}),
    ),
    seed("VM Size Should Be A Parameter", '"vmSize"', _machine(hardwareProfile={"vmSize": "Standard_D2s_v5"})),
    seed(
        "VM Images Should Use Latest Version",
        '"version": "22.04.1"',
        _machine(storageProfile={"imageReference": {"offer": "ubuntu", "version": "22.04.1"}}),
    ),
    seed(
        "Virtual Machines Should Not Be Preview",
        '"sku": "24-preview"',
        _machine(storageProfile={"imageReference": {"sku": "24-preview", "version": "latest"}}),
    ),
    seed("IDs Should Be Derived From ResourceIDs", '"networkId"', _id_by_hand),
    seed("ResourceIds should not contain", "resourceId(resourceGroup())", _parts_by_hand),
    seed(
        "apiVersions Should Be Recent",
        '"apiVersion": "2023-01-01"',
        lambda draft: _account(draft).update(apiVersion="2023-01-01"),
    ),
    seed(
        "apiVersions Should Be Recent In Reference Functions",
        "2023-01-01",
        _output("[reference(resourceId('Microsoft.Storage/storageAccounts', 'x'), '2023-01-01').kind]"),
    ),
    seed(
        "providers apiVersions Is Not Permitted",
        "apiVersions[0]",
        _output("[providers('Microsoft.Storage', 'storageAccounts').apiVersions[0]]"),
    ),
    seed(
        "Types Must Be Known",
        "storageAcounts",
        lambda draft: _account(draft).update(type="Microsoft.Storage/storageAcounts"),
    ),
    seed(
        "Properties Must Be Known",
        '"minimumTLSVersion"',
        lambda draft: _account(draft)["properties"].update(minimumTLSVersion="TLS1_2"),
    ),
    seed("Required Properties Must Be Set", "{", lambda draft: _account(draft).pop("sku")),
    seed(
        "Read-Only Properties Must Not Be Set",
        '"provisioningState"',
        lambda draft: _account(draft)["properties"].update(provisioningState="Succeeded"),
    ),
    seed(
        "Values Must Be Allowed",
        '"allowBlobPublicAccess": "no"',
        lambda draft: _account(draft)["properties"].update(allowBlobPublicAccess="no"),
    ),
    seed(
        "Template Language Must Be 1.0", '"languageVersion"', lambda draft: draft.template.update(languageVersion="2.0")
    ),
    seed("Template Language Must Be 1.0", '"nullable"', _new_parameter("more", {"type": "string", "nullable": True})),
    seed(
        "Deployments Must Stay In The Managed Resource Group",
        '"resourceGroup": "publisher"',
        lambda draft: draft.resources[0].update(resourceGroup="publisher"),
    ),
    seed(
        "Deployment Mode Must Be Incremental",
        '"mode": "Complete"',
        lambda draft: draft.resources[0]["properties"].update(mode="Complete"),
    ),
    seed(
        "Role Assignments Must Name The Principal Type",
        '"properties"',
        lambda draft: _role(draft)["properties"].pop("principalType"),
    ),
    seed(
        "Job Schedules Must Not Be Deployed",
        "{",
        lambda draft: draft.resources.append({"type": "Microsoft.Automation/automationAccounts/jobSchedules"}),
    ),
    seed(
        "Images Must Be Parameters",
        '"image": "vibedata/studio:1.4"',
        lambda draft: draft.resources[4]["properties"]["template"]["containers"][0].update(image="vibedata/studio:1.4"),
    ),
    seed("Template Limits Must Be Kept", '"resources"', _many_resources),
    seed(
        "Artifacts Must Be In The Package",
        "runbooks/other.py",
        _output("[uri(parameters('_artifactsLocation'), 'runbooks/other.py')]"),
    ),
)
