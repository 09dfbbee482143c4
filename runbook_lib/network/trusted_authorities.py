"""Check the certificate authorities that the environment names for `requests`."""

import ssl
from collections.abc import Mapping
from pathlib import Path

from runbook_lib.errors import azure

# In the order in which `requests` reads them. Each names a PEM file or a folder of PEM files.
VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def check(environ: Mapping[str, str]) -> None:
    """Check that the named file or folder can be read. `requests` would notice only at a request, with another error.

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
