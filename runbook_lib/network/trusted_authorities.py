"""Check the certificate authorities that the environment names for `requests`."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.errors import azure

if TYPE_CHECKING:
    import requests

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


def place(session: "requests.Session") -> str:
    """Return the file or folder with the authorities that all requests of a run trust."""
    import certifi

    found = session.merge_environment_settings("https://", {}, None, None, None)["verify"]
    return found if isinstance(found, str) else certifi.where()


def certificates(place: str) -> list[bytes]:
    """Return the certificates in a file or folder, each as text in PEM. Raises OSError."""
    found = Path(place)
    files = sorted(each for each in found.iterdir() if each.is_file()) if found.is_dir() else [found]
    return [each.read_bytes() for each in files]
