"""Names of a resource's properties that hold a secret although Azure's type definitions do not mark them.

A GET of the resource returns them, so that a template can read them without a list function. Examples are
`ConnectionString` and `InstrumentationKey` of Microsoft.Insights/components: whoever has one sends telemetry (learn
azure-monitor/app/connection-strings).
"""

import re

_SECRET = re.compile(
    r"(connection_?strings?|instrumentationkey|(primary|secondary|shared|access|account|master|admin|api)_?keys?"
    r"|password|sas_?token)$",
    re.IGNORECASE,
)


def is_secret_property(name: str) -> bool:
    """Tell whether a property of this name holds a secret."""
    return _SECRET.search(name) is not None
