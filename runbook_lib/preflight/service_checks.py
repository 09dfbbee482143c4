"""Whether the services that a deployment needs answer, and hold what it needs. Each check reads only."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from functools import partial
from urllib.parse import quote, urlencode

from runbook_lib.azure.arm_listing import items_of
from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.strict_json import member
from runbook_lib.basics.visible_text import one_line
from runbook_lib.callbacks.spool import CONTAINER as CALLBACKS_SPOOL
from runbook_lib.container_registry.reader import publisher_reader
from runbook_lib.errors import azure, deployment
from runbook_lib.network.requests_retry import send
from runbook_lib.network.retry import NetworkRetryPolicy
from runbook_lib.operations_log.delivery import SPOOL_CONTAINER, STREAM
from runbook_lib.operations_log.events import COLUMNS
from runbook_lib.preflight.finding import Finding, look
from runbook_lib.release.immutability import check_immutable
from runbook_lib.release.model import ARTIFACT_CONTAINER, LATEST, MANIFEST_REPOSITORY
from runbook_lib.trust.pinned_policy import trust_policy
from runbook_lib.vault.hmac_key import SECRET as HMAC_KEY
from runbook_lib.vault.token_in_use import read_publisher_token

# A dead host is told in seconds: a deployment's own requests wait longer.
_LOOK_POLICY = NetworkRetryPolicy(max_retries=1, delay_seconds=1.0, total_seconds=15.0)
# Signatures for the publisher may be off by this (docs/design.md#log-lock-callbacks).
MAX_CLOCK_SKEW_SECONDS = 30.0
CHECKS_AT_ONCE = 8
REGISTRY_TOKEN = "publisher's registry token"  # noqa: S105 - what a row is called
# More tables than the suite ever makes; the rest is not counted.
_MOST_TABLES = 100
_SHOWN_CHARACTERS = 40
MONITOR_API_VERSION = "2024-03-11"


def check_services(session: AzureSession) -> Iterator[Finding]:
    """Yield a finding for each service and for what a deployment needs of it, in the order of the table."""
    with ThreadPoolExecutor(CHECKS_AT_ONCE) as pool:
        yield from pool.map(lambda check: check(), _checks(session))


def _checks(session: AzureSession) -> Iterator[Callable[[], Finding]]:
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
        yield partial(look, f"{name} answers", partial(_answers, session, address))
    checks: Mapping[str, Callable[[AzureSession], str]] = {
        "clock": _clock,
        "trust root": lambda each: f"{len(trust_policy(each.settings).roots)} pinned",
        "Automation account": _account,
        REGISTRY_TOKEN: _token,
        "container release-manifests": lambda each: check_immutable(each.clients.resources, each.settings),
        f"secret {HMAC_KEY}": _hmac_key,
        "tables": _tables,
        "data collection rule": _rule,
    }
    for subject, check in checks.items():
        yield partial(look, subject, partial(check, session))
    for container in (ARTIFACT_CONTAINER, SPOOL_CONTAINER, CALLBACKS_SPOOL):
        yield partial(look, f"container {container}", partial(_container, session, container))


def _answers(session: AzureSession, address: str) -> str:
    """Any answer will do: that of a service without a token is a refusal."""
    status, _ = _ask(session, address)
    return f"answers (status {status})"


def _ask(session: AzureSession, address: str) -> tuple[int, str]:
    """Return an address's status, and its field Date. No byte of the body is read, whoever sends it."""
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
        # What `requests` and urllib3 raise, by no error of their own, over an answer's header fields.
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
    token = read_publisher_token(session.clients.secrets, session.redactor, now=session.clock.now())
    digest = publisher_reader(session, token).digest_of(MANIFEST_REPOSITORY, LATEST)
    found = f"{MANIFEST_REPOSITORY}:{LATEST} is {digest}" if digest else f"there is no {MANIFEST_REPOSITORY}:{LATEST}"
    return f"is accepted; {found}"


def _hmac_key(session: AzureSession) -> str:
    from runbook_lib.vault.credential_states import read_credential_states

    states = read_credential_states(session.clients.secrets, session.clock.now())
    state = next(each.state for each in states if each.id == HMAC_KEY)
    return "is not provisioned yet: the deployment does it" if state == "not provisioned" else f"is {state}"


def _tables(session: AzureSession) -> str:
    found = sum(1 for _ in zip(session.clients.table_service.list_tables(), range(_MOST_TABLES), strict=False))
    return f"can be listed; there are {found}"


def _container(session: AzureSession, name: str) -> str:
    from azure.core.exceptions import ResourceNotFoundError

    try:
        session.clients.blob_service.get_container_client(name).get_container_properties()
    except ResourceNotFoundError as error:
        line = f"az storage container create --account-name {session.settings.storage_account} --name {name}"
        raise deployment.CONTAINER_ABSENT.error(f"make it: {line} --auth-mode login", target=name) from error
    return "is there"


def _rule(session: AzureSession) -> str:
    """Compare the rule's stream with what the runbooks write."""
    settings = session.settings
    group = quote(settings.resource_group_id, safe="/()")
    address = (
        f"{group}/providers/Microsoft.Insights/dataCollectionRules?{urlencode({'api-version': MONITOR_API_VERSION})}"
    )
    rules = items_of(session.clients.resources, settings, address)
    rule = next((each for each in rules if member(each, "properties", "immutableId") == settings.dcr_id), None)
    if rule is None:
        raise deployment.NO_RULE.error(target=settings.dcr_id)
    declared = member(rule, "properties", "streamDeclarations", STREAM, "columns")
    wrong = unfit_columns(declared)
    if wrong:
        raise deployment.RULE_UNFIT.error(wrong, target=STREAM)
    return f"takes {len(COLUMNS)} columns"


def unfit_columns(declared: object) -> str:
    """Return how a stream's columns, as ARM shows them, differ from what the runbooks write; "" for not. Pure."""
    if not isinstance(declared, list):
        return "the rule declares no such stream"
    types = {name: member(each, "type") for each in declared if isinstance(name := member(each, "name"), str)}
    missing = [name for name in COLUMNS if name not in types]
    other = [
        f"{name} is {one_line(str(types[name]), _SHOWN_CHARACTERS)}, not {kind}"
        for name, kind in COLUMNS.items()
        if types.get(name, kind) != kind
    ]
    return "; ".join([f"it lacks {', '.join(missing)}"] * bool(missing) + other)
