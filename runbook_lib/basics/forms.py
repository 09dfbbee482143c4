"""Forms that a text must have as a whole: ids, addresses and names, each once. All pure."""

import re
from collections.abc import Callable

# The form of a value: a pattern for the whole value, or a function; and the same in words.
Form = tuple[str | Callable[[str], bool], str]

GUID = (r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", "a GUID")
UUID = (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "a UUID in small letters")
URL = (r"https://[A-Za-z0-9][A-Za-z0-9.-]*(:\d{1,5})?(/[A-Za-z0-9._/-]*)?", "an https address")
HOST = (r"[A-Za-z0-9][A-Za-z0-9.-]*(:\d{1,5})?", "a host name, with a port if need be")
# A host name in the form in which a certificate has it: small letters, no port, no trailing dot (RFC 1123, 2.1; RFC
# 6125, 2.2). The name is also the common name in the certificate's subject, which has at most 64 characters (RFC 5280,
# A.1), and Key Vault takes no subject without one (Azure/ARO-RP#1124).
PUBLIC_HOST = (
    r"(?=.{4,64}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?",
    "a full host name in small letters, with at most 64 characters",
)
INSTANCE_ID = (r"[a-z0-9][a-z0-9-]{0,62}", "1 to 63 small letters, digits and dashes")
# The name of an image or a component.
NAME = (r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", "1 to 63 letters, digits, dots, dashes and underscores")


def fits(form: Form, value: str) -> bool:
    """Return whether a value has a form."""
    rule = form[0]
    return rule(value) if callable(rule) else re.fullmatch(rule, value) is not None
