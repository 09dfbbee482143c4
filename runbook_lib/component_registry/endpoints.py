"""Find the address of a component. Only the component's own ARM resource gives it. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from runbook_lib.basics.strict_json import member

# A host and maybe a port. A text with anything else (a path, a user name) does not match.
_HOST = re.compile(r"(?=.{1,260}$)[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?")
CONTAINER_APPS = "microsoft.app/containerapps"
SITES = "microsoft.web/sites"


def endpoint_of(resource_type: str, properties: Mapping[str, Any]) -> str:
    """Return `https://host`, or `https://host:port` if the resource names a port, "" if it names no host.

    `resource_type` may be in any case. `properties` are the resource's in ARM. Source: REST reference of
    Microsoft.App/containerApps (configuration.ingress.fqdn) and Microsoft.Web/sites (defaultHostName).
    """
    host: object = None
    if resource_type.lower() == CONTAINER_APPS:
        host = member(properties, "configuration", "ingress", "fqdn")
    elif resource_type.lower() == SITES:
        host = properties.get("defaultHostName")
    return f"https://{host}" if isinstance(host, str) and _HOST.fullmatch(host) else ""
