"""Check whether the services that a deployment needs answer, and whether they hold what it needs.

Each check only reads.
"""

import ipaddress
import shlex
import socket
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email.utils import parsedate_to_datetime
from functools import partial
from urllib.parse import urlsplit

from runbook_lib.azure.session import AzureSession
from runbook_lib.azure.settings import Settings
from runbook_lib.callbacks.spool import CONTAINER as CALLBACKS_SPOOL
from runbook_lib.container_registry.reader import publisher_reader
from runbook_lib.errors import azure, deployment
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.network.requests_retry import send
from runbook_lib.network.retry import NetworkRetryPolicy
from runbook_lib.operations_log.delivery import SPOOL_CONTAINER
from runbook_lib.preflight.finding import Finding, NotKnownError, State, look
from runbook_lib.preflight.log_checks import check_rule, check_table
from runbook_lib.release.fetch import resolve_release
from runbook_lib.release.hop import not_asked, read_release
from runbook_lib.release.immutability import check_immutable
from runbook_lib.release.model import ARTIFACT_CONTAINER, LATEST, MANIFEST_CONTAINER, MANIFEST_REPOSITORY
from runbook_lib.trust.pinned_policy import trust_policy
from runbook_lib.vault.credential_states import read_credential_states
from runbook_lib.vault.credential_trouble import trouble_of
from runbook_lib.vault.hmac_key import SECRET as HMAC_KEY
from runbook_lib.vault.publisher_token import SECRET as REGISTRY_TOKEN
from runbook_lib.vault.secret_in_use import secret_in_use
from runbook_lib.vault.token_in_use import read_publisher_token, why_none
from runbook_lib.workers import side_by_side

# A dead host is reported after some seconds. A deployment's own requests wait longer.
_LOOK_POLICY = NetworkRetryPolicy(max_retries=1, delay_seconds=1.0, total_seconds=15.0)
# The clock may be wrong by this time in signatures for the publisher (docs/design.md#log-lock-callbacks).
MAX_CLOCK_SKEW_SECONDS = 30.0
CHECKS_AT_ONCE = 8
# Each repository needs one request, beside the requests for access tokens.
REPOSITORIES_AT_ONCE = 16
TOKEN_ROW = "publisher's registry token"  # noqa: S105 - the name of a row
# The suite makes fewer tables than this. Further tables are not counted.
_MOST_TABLES = 100
ABSENT_YET = "it is absent: a first deployment gives it to the customer"
KEY_ROW = f"secret {HMAC_KEY}"
NOT_PROVISIONED = "is not provisioned yet"


def check_services(session: AzureSession, *, refused: State = "bad") -> Iterator[Finding]:
    """Yield a finding for each service, and for each thing that a deployment needs there, in the order of the table.

    `refused` is the state if a service refuses a request (see look): "bad" for the identity of the runbooks.
    """
    with ThreadPoolExecutor(CHECKS_AT_ONCE) as pool:
        yield from pool.map(lambda check: check(), _checks(session, refused))


def _checks(session: AzureSession, refused: State) -> Iterator[Callable[[], Finding]]:
    settings = session.settings
    endpoints = {
        "Azure Resource Manager": settings.arm_endpoint,
        "blob storage": settings.blob_endpoint,
        "table storage": settings.table_endpoint,
        "Key Vault": settings.key_vault_endpoint,
        "log ingestion": settings.logs_endpoint,
        "the customer's container registry": f"https://{settings.customer_registry}",
        "the publisher's container registry": f"https://{settings.publisher_registry}",
        "the publisher's API": settings.publisher_api,
    }
    for name, address in endpoints.items():
        yield partial(look, f"{name} answers", partial(_answers, session, address), refused=refused)
    checks: Mapping[str, Callable[[AzureSession], str]] = {
        "clock": _clock,
        "trust root": lambda each: f"{len(trust_policy(each.settings).roots)} pinned",
        "Automation account": _account,
        TOKEN_ROW: _token,
        f"retention policy of {MANIFEST_CONTAINER}": _retention,
        KEY_ROW: _hmac_key,
        "tables": _tables,
        "data collection rule": check_rule,
        "table of the log": check_table,
    }
    for subject, check in checks.items():
        yield partial(look, subject, partial(check, session), refused=refused)
    for container in (MANIFEST_CONTAINER, ARTIFACT_CONTAINER, SPOOL_CONTAINER, CALLBACKS_SPOOL):
        yield partial(look, f"container {container}", partial(_container, session, container), refused=refused)


def _answers(session: AzureSession, address: str) -> str:
    """Check that a service answers. Even a refusal is good, because the request has no token.

    With an error of the service (500 and more) the state is unknown: a gateway may answer for a service that is not
    there, and nobody knows what the service says to a request with a token. The checks of its contents are such
    requests. A deployment does not need the log and the publisher's API: what is for them waits in a spool.

    If it does not answer and its name leads to a private endpoint, the error says so. Then it may answer from inside
    the network.
    """
    try:
        status, _ = _ask(session, address)
    except Exception as error:
        named = as_runbook_error(error)
        private = private_address(urlsplit(address).hostname or "")
        if named is None or not private:
            raise
        detail = f"{named.detail}; its name leads to {private}, which is a private address"
        raise named.entry.error(detail, target=named.target) from error
    if status >= 500:
        raise NotKnownError(f"it answers with status {status}, which is an error of the service")
    return f"answers (status {status})"


def private_address(host: str) -> str:
    """Return the private address that a name leads to from here, "" if it leads to none."""
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except OSError:
        return ""
    return next((each for each in sorted(found) if ipaddress.ip_address(each.partition("%")[0]).is_private), "")


def _ask(session: AzureSession, address: str) -> tuple[int, str]:
    """Return the status of an address, and its field Date. The body is not read at all."""
    import requests
    from urllib3.exceptions import HTTPError

    try:
        response = send(
            session.clients.session,
            "GET",
            address,
            policy=_LOOK_POLICY,
            clock=session.clock,
            allow_redirects=False,
            stream=True,
        )
    except requests.RequestException:
        raise
    except (ValueError, HTTPError) as error:
        # `requests` and urllib3 raise these standard errors for bad header fields of an answer.
        raise azure.ANSWER_UNREADABLE.error(type(error).__name__, target=address) from error
    response.close()
    return response.status_code, response.headers.get("Date", "")


def _clock(session: AzureSession) -> str:
    _, date = _ask(session, session.settings.arm_endpoint)
    try:
        there = parsedate_to_datetime(date)
        difference = (session.clock.now() - there).total_seconds()
    except (ValueError, TypeError, OverflowError) as error:
        raise azure.ARM_ANSWER_UNCLEAR.error("its field Date is no date") from error
    if abs(difference) > MAX_CLOCK_SKEW_SECONDS:
        ahead = "ahead" if difference > 0 else "behind"
        raise deployment.CLOCK_DIFFERS.error(f"it is {abs(difference):.0f} s {ahead} of Azure Resource Manager's")
    return f"differs by {abs(difference):.0f} s"


def _account(session: AzureSession) -> str:
    from runbook_lib.automation.account import AutomationAccount

    account = AutomationAccount(client=session.clients.automation, settings=session.settings)
    return f"is in {account.location()}"


def _token(session: AzureSession) -> str:
    """Check that the token is accepted, and that it can read every repository that the newest release pins."""
    secrets = session.clients.secrets
    if secret_in_use(secrets, REGISTRY_TOKEN) is None and why_none(secrets, REGISTRY_TOKEN) == "absent":
        raise NotKnownError(ABSENT_YET)
    token = read_publisher_token(secrets, session.redactor, now=session.clock.now())
    reader = publisher_reader(session, token)
    place = resolve_release(reader, LATEST)
    if place is None:
        return f"is accepted; there is no {MANIFEST_REPOSITORY}:{LATEST}"
    # import_manifest finds out who signed the release. Here the release only names the repositories to look at.
    manifest = read_release(place, not_asked).manifest
    pins = {pin.repository: pin.digest for pin in manifest.pins}
    reader.expect(pins)
    side_by_side(lambda pin: reader.digest_of(*pin), pins.items(), at_once=REPOSITORIES_AT_ONCE)
    return f"is accepted; reads the {len(pins)} repositories of release {manifest.version}"


def _hmac_key(session: AzureSession) -> str:
    secrets = session.clients.secrets
    states = read_credential_states(secrets, session.clock.now())
    key = next(each for each in states if each.id == HMAC_KEY)
    if key.state == "not provisioned" and why_none(secrets, HMAC_KEY) == "absent":
        return NOT_PROVISIONED
    trouble = trouble_of(secrets, replace(key, state="absent") if key.state == "not provisioned" else key)
    if trouble is not None:
        raise trouble
    return f"is {key.state}"


def _tables(session: AzureSession) -> str:
    found = sum(1 for _ in zip(session.clients.table_service.list_tables(), range(_MOST_TABLES), strict=False))
    return f"can be listed; there are {found}"


def _retention(session: AzureSession) -> str:
    return check_immutable(session.clients.resources, session.settings)


def _container(session: AzureSession, name: str) -> str:
    from azure.core.exceptions import ResourceNotFoundError

    try:
        session.clients.blob_service.get_container_client(name).get_container_properties()
    except ResourceNotFoundError as error:
        raise deployment.CONTAINER_ABSENT.error(target=name, line=container_line(session.settings, name)) from error
    return "is there"


def container_line(settings: Settings, name: str) -> str:
    """Return the command of the Azure CLI that makes a blob container. Pure."""
    return (
        f"az storage container-rm create --subscription {settings.subscription_id}"
        f" --resource-group {shlex.quote(settings.resource_group)} --storage-account {settings.storage_account}"
        f" --name {name}"
    )
