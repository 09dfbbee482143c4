"""Start Pebble, the real ACME server. It asks the lab's own name server for the records of challenges.

A reset does not empty it, and a snapshot does not hold it: accounts and orders stay in its memory. Nobody can use them
without their keys. At its start Pebble makes a root, which signs all issued certificates.
"""

import json
import re
from pathlib import Path

from lab.dns import name_server
from lab.machine import tools
from lab.machine.ports import free_ports
from lab.machine.tools import Tool
from lab.real_servers import Ground, RealServer
from lab.shared import Lab

# This is also the name of its log. Its management address serves the root.
NAME, MANAGEMENT = "pebble", "pebble_management"
LIFETIME_SECONDS = 90 * 86_400
# These settings end Pebble's own random trouble, so that only the lab's faults cause trouble. One thing remains: Pebble
# reuses one of a hundred authorizations, although PEBBLE_AUTHZREUSE is 0. An account's second order for a name may then
# be ready at once.
SETTINGS = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}


def _command(ground: Ground) -> Tool:
    tool = tools.pebble()
    configuration = ground.directory / f"{NAME}.json"
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    settings = {
        "listenAddress": addresses[0],
        "managementListenAddress": addresses[1],
        "certificate": str(ground.certificates.server),
        "privateKey": str(ground.certificates.server_key),
        "httpPort": 5002,
        "tlsPort": 5001,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
        "retryAfter": {"authz": 1, "order": 1},
        "certificateValidityPeriod": LIFETIME_SECONDS,
    }
    configuration.write_text(json.dumps({"pebble": settings}))
    server = name_server.configured_address(ground.directory)
    command = (*tool.command, "-strict", "-config", str(configuration), "-dnsserver", server)
    return Tool(command, {**tool.environ, **SETTINGS})


async def _empty(_lab: Lab, _directory: Path) -> None:
    """Leave it as it is; the module's docstring says why."""


REAL_SERVER = RealServer(
    name=NAME,
    command=_command,
    listening={
        NAME: re.compile(r"\d Listening on: (127\.0\.0\.1:\d+)"),
        MANAGEMENT: re.compile(r"Management interface listening on: (127\.0\.0\.1:\d+)"),
    },
    scheme="https",
    empty=_empty,
    on_disk=False,
)
