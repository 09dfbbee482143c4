"""Who runs this command, as a lock's content, a job's first line and the operations log say it."""

import getpass
import os
import re
import socket

# Without what the runbooks' parameter `started_by` does not take.
_OTHER = re.compile(r"[^A-Za-z0-9._@-]")
MAX_CHARACTERS = 100


def operator() -> str:
    """Return `user@host`."""
    name = _OTHER.sub("_", f"{_user()}@{socket.gethostname()}")[:MAX_CHARACTERS]
    return name if name[0].isalnum() else f"u{name}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no entry in /etc/passwd
        return f"user-{os.getuid()}"
