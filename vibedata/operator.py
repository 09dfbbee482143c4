"""The person who runs this command.

A lock's content, a job's first line and the operations log name the person like this.
"""

import getpass
import os
import re
import socket

# Characters that the runbooks' parameter `started_by` does not take. Each becomes an underscore.
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
