"""The publisher's callback API: a TLS front, like a cloud's load balancer, before the publisher's own program.

Real: `python -m publisher` answers. The front passes each request on byte for byte, with its Host header, because
signatures cover it. The first request starts the processes (lab/publisher/processes.py). They share only the
publisher's vault and tables. Faithful: several processes that are asked in turn. The front answers 502, as Azure's
front ends do, if a process cannot be started, is killed or breaks off. Left out: health probes.

The control API:

    GET  /publisher-api            {"processes", "running": [{"pid", "port", "log"}]}
    POST /publisher-api            {"processes": 3}: three processes from now on, all of them new
    POST /publisher-api/restart    {"kill": false}: end all processes after they have answered their present requests
                                   (true: at once, which breaks these requests off); the next request starts new ones
"""

from functools import partial

import aiohttp
from aiohttp import web

from lab.entra.managed_identity import PATH as IDENTITY_PATH
from lab.front import answers
from lab.front.faults import InvalidFaultError
from lab.front.proxy import forward
from lab.publisher.processes import CannotStartError, PublisherProcesses, environment
from lab.shared import Lab

SITE = "publisher_api"
MAX_PROCESSES = 8


def routes(lab: Lab) -> web.Application:
    """Return the front's app."""
    logs = lab.dir / "publisher"
    logs.mkdir(exist_ok=True)
    processes = PublisherProcesses(root=lab.publisher_root, environ=environment(_variables(lab)), logs=logs)
    lab.on_reset.insert(0, partial(processes.stop, processes=1))
    lab.on_close.append(processes.stop)

    async def view(_body: object) -> object:
        return processes.view()

    async def change(body: object) -> object:
        number = body.get("processes") if isinstance(body, dict) and len(body) == 1 else None
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MAX_PROCESSES:
            raise InvalidFaultError(f"the callback API takes processes, a whole number from 1 to {MAX_PROCESSES}")
        await processes.restart(processes=number)
        return processes.view()

    async def restart(body: object) -> object:
        kill = body.get("kill", False) if isinstance(body, dict) and set(body) <= {"kill"} else None
        if not isinstance(kill, bool):
            raise InvalidFaultError("a restart takes kill, true or false")
        await processes.restart(kill=kill)
        return processes.view()

    lab.controls["GET", "/publisher-api"] = view
    lab.controls["POST", "/publisher-api"] = change
    lab.controls["POST", "/publisher-api/restart"] = restart
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", partial(_answer, lab, processes))
    return application


async def _answer(lab: Lab, processes: PublisherProcesses, request: web.Request) -> web.StreamResponse:
    headers = {"Host": request.headers["Host"]}
    try:
        async with processes.turn() as address:
            return await forward(request, address + request.raw_path, session=lab.upstream, headers=headers)
    except CannotStartError as error:
        return answers.refusal(answers.ARM_ERRORS, 502, str(error))
    except aiohttp.ClientError as error:
        why = f"The process behind the front did not answer: {error}."
        return answers.refusal(answers.ARM_ERRORS, 502, why)


def _variables(lab: Lab) -> dict[str, str]:
    """Return the settings of the processes."""
    return {
        "VIBEDATA_PUBLISHER_API": lab.urls[SITE],
        "VIBEDATA_PUBLISHER_TABLE_ENDPOINT": f"{lab.urls['table']}/{lab.names.publisher_storage_account}",
        "VIBEDATA_PUBLISHER_KEY_VAULT_ENDPOINT": lab.urls["publisher_key_vault"],
        "VIBEDATA_PUBLISHER_CLIENT_ID": lab.names.publisher_client_id,
        "IDENTITY_ENDPOINT": lab.urls["identity"] + IDENTITY_PATH,
        "IDENTITY_HEADER": lab.publisher_identity_header,
        "REQUESTS_CA_BUNDLE": str(lab.ca_file),
        "SSL_CERT_FILE": str(lab.ca_file),
    }
