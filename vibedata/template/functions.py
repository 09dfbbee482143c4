"""Bicep's functions that the template uses, as Azure Resource Manager evaluates them.

uniqueString and guid return other texts than Azure, but in the same form. Nothing here can test which texts Azure
returns.
Source: learn azure/azure-resource-manager/bicep/bicep-functions.
"""

import base64
import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urljoin

from vibedata.template.values import Place, Runtime, has_runtime

# The maximum length of a text that replace() adds. Azure takes at most 4 MB for the whole template.
MAX_CHARACTERS = 1024 * 1024


def unique_string(*parts: Any) -> str:
    """Return 13 small letters and digits that depend on the parts."""
    digest = hashlib.sha256("\n".join(map(str, parts)).encode()).digest()
    return base64.b32encode(digest).decode().lower()[:13]


def guid(*parts: Any) -> str:
    """Return a GUID that depends on the parts."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(map(str, parts))))


def union(*parts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the members of all objects. If two have the same name, the last one counts."""
    return {key: value for part in parts for key, value in part.items()}


def contains(container: Any, wanted: Any) -> bool:
    """Tell whether an object has a member, an array an item, or a text a part."""
    return wanted in container


def concat(*parts: Any) -> Any:
    """Return the items of all arrays in one array, or all texts in one text."""
    if isinstance(parts[0], list):
        return [item for part in parts for item in part]
    return "".join(map(text_of, parts))


def replace(text: str, old: str, new: str) -> str:
    """Return a text with `new` for each `old`. Raises ValueError if `old` is empty or the result is too long."""
    if not old:
        raise ValueError("the text to replace is empty")
    if text.count(old) * len(new) > MAX_CHARACTERS:
        raise ValueError("the result is too long")
    return text.replace(old, new)


def text_of(value: Any) -> str:
    """Return a text as it is, and the JSON of anything else."""
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"))


def uri(base: str, relative: str) -> str:
    """Return an address relative to the folder of another address, or of a host if `base` has no path."""
    return urljoin(base, relative.lstrip("/"))


PLAIN: Mapping[str, Callable[..., Any]] = {
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "concat": concat,
    "contains": contains,
    "guid": guid,
    "json": json.loads,
    "length": len,
    "replace": replace,
    "split": lambda text, by: text.split(by),
    "string": text_of,
    "substring": lambda text, start, length: text[start : start + length],
    "take": lambda value, count: value[:count],
    "union": union,
    "uniqueString": unique_string,
    "uri": uri,
}
# The template may ask for a random value in the default of a parameter only.
IN_DEFAULTS: Mapping[str, Callable[[], str]] = {
    "newGuid": lambda: "11111111-2222-4333-8444-555555555555",
}


# Azure's public cloud.
ENVIRONMENT = {
    "resourceManager": "https://management.azure.com/",
    "suffixes": {"storage": "core.windows.net", "keyvaultDns": ".vault.azure.net", "acrLoginServer": ".azurecr.io"},
}


def of_place(place: Place) -> Mapping[str, Callable[..., Any]]:
    """Return the functions about the place of the deployment."""
    group = {
        "id": place.group_id,
        "name": place.resource_group,
        "location": place.location,
        **({"managedBy": place.managed_by} if place.managed_by else {}),
    }
    subscription = f"/subscriptions/{place.subscription_id}"

    def resource_group(*scope: Any) -> Any:
        if not scope:
            return group
        subscription_id, name = scope if len(scope) == 2 else (place.subscription_id, *scope)
        return {"id": f"/subscriptions/{subscription_id}/resourceGroups/{name}", "name": name}

    def resource_id(resource_type: str, *names: Any) -> str:
        return f"{place.group_id}{_path(resource_type, names)}"

    return {
        "deployment": lambda: {"name": "main", "properties": {"templateLink": {"uri": place.template_uri}}},
        "environment": lambda: ENVIRONMENT,
        "resourceGroup": resource_group,
        "resourceId": resource_id,
        "subscription": lambda: {
            "id": subscription,
            "subscriptionId": place.subscription_id,
            "tenantId": place.tenant_id,
        },
        "subscriptionResourceId": lambda kind, *names: f"{subscription}{_path(kind, names)}",
    }


def call(name: str, function: Callable[..., Any], arguments: list[Any]) -> Any:
    """Return the result of a function. If only Azure knows an argument, the result is a Runtime."""
    # These functions look at a whole value and not at its parts.
    whole = name in ("concat", "contains", "length", "take")
    unknown = any(isinstance(each, Runtime) for each in arguments) if whole else has_runtime(arguments)
    if unknown:
        return Runtime(f"{name}({', '.join(map(str, arguments))})")
    return function(*arguments)


def _path(resource_type: str, names: tuple[Any, ...]) -> str:
    namespace, *types = resource_type.split("/")
    pairs = zip(types, names, strict=True)
    return f"/providers/{namespace}/" + "/".join(f"{kind}/{name}" for kind, name in pairs)
