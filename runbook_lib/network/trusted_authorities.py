"""Which certificate authorities `requests` trusts, where the environment names them."""

import ssl
from collections.abc import Mapping
from pathlib import Path

from runbook_lib.errors import azure

# In the order in which `requests` looks at them: each names a file in PEM, or a folder of such.
VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def check(environ: Mapping[str, str]) -> None:
    """Check that what the environment names can be read: `requests` finds out at a request, by no error of its own.

    Raises RunbookError VD-NET-020.
    """
    variable = next((name for name in VARIABLES if environ.get(name)), None)
    if variable is None or Path(environ[variable]).is_dir():
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(environ[variable])
    except ssl.SSLError as error:
        what = f"it holds no certificates in PEM; from {variable}"
        raise azure.AUTHORITIES_UNREADABLE.error(what, target=environ[variable]) from error
    except OSError as error:
        raise azure.AUTHORITIES_UNREADABLE.error(
            f"{error.strerror}; from {variable}", target=environ[variable]
        ) from error
