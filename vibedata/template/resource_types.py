"""Compare the bodies of resources with Azure's own definitions of resource types.

infra/types/README.md says where the definitions come from.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from vibedata.template.azure_types import AzureType, Types
from vibedata.template.finding import Finding
from vibedata.template.values import Deployed, LinedObject, Runtime

UNKNOWN_TYPE, OLD_VERSION, WRONG_BODY = "resource-type", "api-version", "resource-body"
# An api-version may be older than this only if it is the newest one (Partner Center's reviewers;
# Azure/azure-quickstart-templates, 1-CONTRIBUTION-GUIDE/best-practices.md).
MAX_AGE = timedelta(days=365)
# The parts of a body that Bicep itself reads.
_OF_BICEP = ("dependsOn", "scope", "parent")
# Bicep has only whole numbers, so its definitions say integer even if Azure takes any number. A template can make
# another number with json('0.5').
_KINDS: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}

# The maximum length of a name if Azure's definitions do not give it, by the type in small letters. Source: learn
# azure-resource-manager/management/resource-name-rules.
_NAME_LENGTHS: Mapping[str, tuple[int, int]] = {
    "microsoft.app/containerapps": (2, 32),
    "microsoft.automation/automationaccounts": (6, 50),
    "microsoft.insights/actiongroups": (1, 260),
    "microsoft.insights/components": (1, 260),
    "microsoft.insights/metricalerts": (1, 260),
    "microsoft.keyvault/vaults": (3, 24),
    "microsoft.keyvault/vaults/secrets": (1, 127),
    "microsoft.managedidentity/userassignedidentities": (3, 128),
    "microsoft.network/applicationgateways": (1, 80),
    "microsoft.network/networksecuritygroups": (1, 80),
    "microsoft.network/privatednszones/virtualnetworklinks": (1, 80),
    "microsoft.network/privateendpoints": (2, 64),
    "microsoft.network/publicipaddresses": (1, 80),
    "microsoft.network/virtualnetworks": (2, 64),
    "microsoft.web/serverfarms": (1, 40),
    "microsoft.web/sites": (2, 60),
}


def check_resource(resource: Deployed, types: Types, *, today: date) -> Iterator[Finding]:
    """Yield what is wrong with a resource's type, api-version and body."""
    known = types.find(resource.type)
    if known is None:
        message = f"there is no definition of {resource.type} that can be read"
        yield _finding(resource, resource.line, UNKNOWN_TYPE, message, "Add it to infra/types, or correct the name")
        return
    if resource.type != known.name:
        yield _finding(resource, resource.line, UNKNOWN_TYPE, f"the type is {known.name}", "Write it so")
    yield from _check_version(resource, known, today)
    if not resource.existing:
        yield from _check_name(resource)
        yield from _Body(resource).check(resource.body, known.schema, "", resource.line, top=True)


def _check_name(resource: Deployed) -> Iterator[Finding]:
    name = resource.body["name"]
    least, most = _NAME_LENGTHS.get(resource.type.lower(), (0, None))
    if isinstance(name, str) and most is not None and not least <= len(name) <= most:
        message = f"{resource.type}: the name {name} has {len(name)} characters, not {least} to {most}"
        yield _finding(resource, resource.body.lines["name"], WRONG_BODY, message, "Shorten what follows the prefix")


def _check_version(resource: Deployed, known: AzureType, today: date) -> Iterator[Finding]:
    newest, version = known.stable_versions[-1], resource.api_version
    young = [each for each in known.stable_versions if today - date.fromisoformat(each) <= MAX_AGE]
    if version not in (young or [newest]):
        message = f"{resource.type} is asked for with {version}, which is a preview or older than a year"
    elif version != known.api_version:
        message = f"{resource.type} is asked for with {version}, and its definition is of {known.api_version}"
    else:
        return
    yield _finding(resource, resource.line, OLD_VERSION, message, f"Use {newest}")


@dataclass(frozen=True, slots=True)
class _Body:
    """The comparison of one resource's body."""

    resource: Deployed

    def check(
        self, value: Any, schema: Mapping[str, Any], path: str, line: int, *, top: bool = False
    ) -> Iterator[Finding]:
        """Yield what is wrong with a value. path: its place in the body. top: whether it is the whole body."""
        if isinstance(value, Runtime) or value is None or not schema:
            return
        kind = schema.get("type", "object")
        if not isinstance(value, _KINDS[kind]) or (kind == "integer" and isinstance(value, bool)):
            yield self._wrong(line, f"{path} takes {kind}, not {type(value).__name__}")
        elif isinstance(value, dict):
            yield from self._object(value, schema, path, line, top=top)
        elif isinstance(value, list):
            for number, item in enumerate(value):
                yield from self.check(item, schema.get("items", {}), f"{path}[{number}]", line)
        else:
            yield from self._scalar(value, schema, path, line)

    def _object(
        self, value: Mapping[str, Any], schema: Mapping[str, Any], path: str, line: int, *, top: bool
    ) -> Iterator[Finding]:
        lines = value.lines if isinstance(value, LinedObject) else {}
        line = value.line if isinstance(value, LinedObject) else line
        members, required = dict(schema.get("properties", {})), list(schema.get("required", ()))
        if "variants" in schema:
            named = value.get(schema["discriminator"])
            variant = schema["variants"].get(named) if isinstance(named, str) else None
            if variant is None:
                chosen = ", ".join(sorted(schema["variants"]))
                yield self._wrong(line, f"{path}.{schema['discriminator']} takes one of {chosen}")
                return
            members.update(variant.get("properties", {}))
            required += variant.get("required", ())
        for name in required:
            if name not in value:
                yield self._wrong(line, f"{path}.{name} is missing".lstrip("."))
        others = schema.get("additionalProperties")
        for name, member in value.items():
            inner = f"{path}.{name}".lstrip(".")
            at = lines.get(name, line)
            if top and name in _OF_BICEP:
                continue
            if name in schema.get("readOnly", ()):
                yield self._wrong(at, f"{inner} is set only by Azure")
            elif name in members:
                yield from self.check(member, members[name], inner, at)
            elif others is None and (members or top):
                near = [each for each in members if each.lower() == name.lower()]
                yield self._wrong(at, f"{inner} is not known" + (f": it is {near[0]}" if near else ""))
            elif others:
                yield from self.check(member, others, inner, at)

    def _scalar(self, value: Any, schema: Mapping[str, Any], path: str, line: int) -> Iterator[Finding]:
        if "enum" in schema and value not in schema["enum"]:
            close = [each for each in schema["enum"] if str(each).lower() == str(value).lower()]
            if close or not schema.get("open"):
                yield self._wrong(line, f"{path} is {value!r}, and takes {', '.join(map(str, schema['enum']))}")
        if isinstance(value, str):
            least, most = schema.get("minLength", 0), schema.get("maxLength", len(value))
            if not least <= len(value) <= most:
                yield self._wrong(line, f"{path} has {len(value)} characters, not {least} to {most}")
            if "pattern" in schema and re.search(schema["pattern"], value) is None:
                yield self._wrong(line, f"{path} does not match {schema['pattern']}")
        elif not schema.get("minimum", value) <= value <= schema.get("maximum", value):
            yield self._wrong(line, f"{path} is {value}, out of its range")

    def _wrong(self, line: int, message: str) -> Finding:
        whole = f"{self.resource.type}: {message}"
        return _finding(self.resource, line, WRONG_BODY, whole, "Write it as Azure's definition of the type has it")


def _finding(resource: Deployed, line: int, rule: str, message: str, remedy: str) -> Finding:
    return Finding(file=resource.file, line=line, rule=rule, message=message, remedy=remedy)
