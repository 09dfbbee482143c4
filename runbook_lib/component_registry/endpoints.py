"""Where a component answers: what its own ARM resource says, and nothing else. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from runbook_lib.basics.strict_json import member

# Host and port as an address has them; whatever else stands there (a path, a user name) is no host.
_HOST = re.compile(r"(?=.{1,260}$)[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?")
CONTAINER_APPS = "microsoft.app/containerapps"
SITES = "microsoft.web/sites"


def endpoint_of(resource_type: str, properties: Mapping[str, Any]) -> str:
    """Return `https://host` (with a port where the resource names one), "" if it names none.

    Parameters: resource_type, in any case; properties, of the resource as ARM shows it. Source: REST reference of
    Microsoft.App/containerApps (configuration.ingress.fqdn) and Microsoft.Web/sites (defaultHostName).
    """
    host: object = None
    if resource_type.lower() == CONTAINER_APPS:
        host = member(properties, "configuration", "ingress", "fqdn")
    elif resource_type.lower() == SITES:
        host = properties.get("defaultHostName")
    return f"https://{host}" if isinstance(host, str) and _HOST.fullmatch(host) else ""
