"""Keep the Azure CLI on this machine. Python imports this module at its start, because it is on PYTHONPATH.

It refuses every connection that would leave 127.0.0.0/8 and ::1, and every question to a name server. It writes a note
into the file that LOOPBACK_ONLY_NOTES names, so that a test can see the attempt. It also refuses to start any program
that is not Python itself, because it could not hold back that program.
"""

import ipaddress
import os
import sys

NOTES = os.environ["LOOPBACK_ONLY_NOTES"]
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
# Names that never leave the machine.
LOCAL_NAMES = (None, "", "localhost")
# `platform.processor()` starts it, for the User-Agent header.
HARMLESS_PROGRAMS = (sys.executable, "uname")


def _is_loopback(host: object) -> bool:
    try:
        address = ipaddress.ip_address(host.decode() if isinstance(host, bytes) else str(host))
    except ValueError:
        return False
    return any(address in network for network in LOOPBACK)


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    tried = ""
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        # A path belongs to a Unix socket. None means an address that connect was given before.
        if isinstance(address, tuple) and not _is_loopback(address[0]):
            tried = f"{event} {address}"
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        if arguments[0] not in LOCAL_NAMES and not _is_loopback(arguments[0]):
            tried = f"{event} {arguments[0]!r}"
    elif event in ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system"):
        program = arguments[0].decode() if isinstance(arguments[0], bytes) else str(arguments[0])
        tried = "" if program in HARMLESS_PROGRAMS else f"{event} {program!r}"
    if tried:
        with open(NOTES, "a", encoding="utf-8") as notes:  # noqa: PTH123 - nothing more than this is imported here
            notes.write(f"{tried}\n")
        raise PermissionError(f"only this machine may be reached: {tried}")


sys.addaudithook(_hook)
