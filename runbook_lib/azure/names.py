"""Azure's own rules for the names of each kind of resource, exactly as ARM checks them. Pure.

Source: learn azure-resource-manager/management/resource-name-rules, and the patterns in the REST specifications.
"""

import re
import unicodedata

from runbook_lib.basics.forms import GUID, Form, fits

MAX_GROUP_LENGTH = 90
# The characters of .NET's \w: letters and digits of any script. ARM checks with this set (Azure/azure-cli#799,
# azure-sdk-for-java#1250). Python's \w is another set: it lacks combining marks.
_GROUP_CATEGORIES = ("Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Nd", "Pc")
_GROUP_SIGNS = "-.()"


def is_resource_group(name: str) -> bool:
    """Return whether ARM accepts a resource group's name. Its length is counted in UTF-16 units, as in .NET."""
    signs = all(sign in _GROUP_SIGNS or unicodedata.category(sign) in _GROUP_CATEGORIES for sign in name)
    length = len(name.encode("utf-16-le", "surrogatepass")) // 2
    return signs and 1 <= length <= MAX_GROUP_LENGTH and not name.endswith(".")


def is_managed_application_id(text: str) -> bool:
    """Return whether a text is the ARM id of a managed application. ARM compares its words without case."""
    parts = text.split("/")
    words = [part.lower() for part in (*parts[:2], *parts[3:4], *parts[5:8])]
    return (
        words == ["", "subscriptions", "resourcegroups", "providers", "microsoft.solutions", "applications"]
        and len(parts) == len(words) + 3
        and fits(GUID, parts[2])
        and is_resource_group(parts[4])
        and re.fullmatch(r"[A-Za-z0-9-]{3,64}", parts[8]) is not None
    )


RESOURCE_GROUP: Form = (
    is_resource_group,
    f"1 to {MAX_GROUP_LENGTH} letters, digits, dashes, underscores, dots and parentheses, no dot last",
)
STORAGE_ACCOUNT: Form = (r"[a-z0-9]{3,24}", "3 to 24 small letters and digits")
CONTAINER_REGISTRY: Form = (r"[A-Za-z0-9]{5,50}", "5 to 50 letters and digits")
CONTAINER_REGISTRY_TOKEN: Form = (r"[A-Za-z0-9-]{5,50}", "5 to 50 letters, digits and dashes")
# The region's name in ARM, e.g. westeurope.
LOCATION: Form = (r"[a-z][a-z0-9]{1,39}", "a region by its short name, 2 to 40 small letters and digits")
MANAGED_APPLICATION_ID: Form = (
    is_managed_application_id,
    "the ARM id of a managed application,"
    " /subscriptions/GUID/resourceGroups/GROUP/providers/Microsoft.Solutions/applications/NAME",
)
AUTOMATION_ACCOUNT: Form = (
    r"[A-Za-z][A-Za-z0-9-]{4,48}[A-Za-z0-9]",
    "6 to 50 letters, digits and dashes, a letter first and no dash last",
)
