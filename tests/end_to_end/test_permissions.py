"""Each runbook runs as a job with declared permissions only. It succeeds, and it uses all that a first run needs."""

import json
from collections.abc import Iterator, Mapping, Sequence

import pytest
from azure.mgmt.automation import models as m

from lab.authorization.roles import ROLES, Role
from lab.authorization.state import matches
from runbook_lib.permissions.every_runbook import EVERY_RUNBOOK
from runbook_lib.permissions.model import Permission
from runbook_lib.permissions.storage import MAKE_TABLES
from runbooks import configure_gateway
from scripts.pages import permissions as permissions_page
from tests.end_to_end.deployed import Deployed
from tests.support.automation import Automation
from tests.support.permissions import asked, grant

# Actions for situations that do not occur in a normal first deployment.
_ACCOUNT = "Microsoft.Automation/automationAccounts"
NOT_AT_FIRST = {
    # A blob of a spool is deleted after it was delivered. There is a blob only after a failed delivery.
    "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete",
    # A package whose import has failed is removed before it is imported again.
    f"{_ACCOUNT}/runtimeEnvironments/packages/delete",
    # The deployment's own publication has brought the packages, and that was not a job. See
    # tests/wire/runbooks/publish_runbooks/test_permissions.py.
    f"{_ACCOUNT}/runtimeEnvironments/write",
    f"{_ACCOUNT}/runtimeEnvironments/packages/write",
    "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action",
    # Somebody has deleted or disabled something that the rotation needs.
    "Microsoft.KeyVault/vaults/keys/recover/action",
    "Microsoft.KeyVault/vaults/keys/update/action",
    "Microsoft.KeyVault/vaults/secrets/recover/action",
    # The first phase only begins an operation. The chain comes from outside.
    "Microsoft.KeyVault/vaults/certificates/update/action",
    "Microsoft.KeyVault/vaults/certificates/recover/action",
}
_TABLES = "Microsoft.Storage/storageAccounts/tableServices/tables"
MADE_BEFORE = {
    # An earlier rotation of the HMAC key has made the wrapping key.
    "rotate_acr_token": {"Microsoft.KeyVault/vaults/keys/create/action"},
    # The runs of its single parts have made tables, schedule and runbooks.
    "deploy_instance": {
        f"{_TABLES}/read",
        f"{_TABLES}/write",
        f"{_ACCOUNT}/schedules/write",
        f"{_ACCOUNT}/jobSchedules/write",
        f"{_ACCOUNT}/runbooks/write",
    },
}
DECLARED = permissions_page.declared()
EVERYTHING = {each for every in DECLARED.values() for each in every}


@pytest.fixture(autouse=True)
def nobody_is_judged_afterwards(own_deployed: Deployed) -> Iterator[None]:
    yield
    own_deployed.lab.control("POST", "/authorization", {"judged": "nobody"})


def let_in(automation: Automation, ranges: Mapping[str, Sequence[str]]) -> None:
    """Write the address ranges, as the publisher does."""
    name, text = configure_gateway.RANGES_VARIABLE, json.dumps(ranges)
    body = m.VariableCreateOrUpdateParameters({"name": name, "properties": {"value": json.dumps(text)}})
    automation.client.variable.create_or_update(*automation.at, name, body)


@pytest.mark.timeout(1200)  # ten jobs, a build, and a lab of its own
def test_each_runbook_needs_what_it_declares_and_no_more(own_deployed: Deployed) -> None:
    used: dict[str, set[str]] = {}

    def run(name: str, permissions: set[Permission], *command: str, **parameters: object) -> None:
        grant(own_deployed.automation, {*EVERY_RUNBOOK, *permissions})
        since = own_deployed.last_request()
        if command:
            assert own_deployed.vibedata_json(*command)["status"] in ("succeeded", "waiting")
        else:
            own_deployed.succeed(name, **parameters)
        refused = [
            entry
            for entry in own_deployed.lab.journal(since=since)
            # The preflight asks for the bare address without a token, to find out whether the service answers.
            if entry["status"] == 403 and entry["job_id"] and entry["path"].count("/") > 1
        ]
        assert refused == [], name
        used[name] = asked(own_deployed.automation)

    own_deployed.release()
    for name in ("import_manifest", "import_images", "publish_runbooks"):
        run(name, set(DECLARED[name]))
    # It checks the permissions of all other runbooks.
    run("preflight", EVERYTHING)
    # Its trials are jobs of all other runbooks, under the same identity.
    run("validate_runbooks", EVERYTHING)
    for name in ("bootstrap_registry", "check_health", "rotate_tls_certificate"):
        run(name, set(DECLARED[name]))
    let_in(own_deployed.automation, {"customer": ["203.0.113.0/24"], "publisher": ["198.51.100.0/24"]})
    run("configure_gateway", set(DECLARED["configure_gateway"]), read_again=True)
    # A newer release, so that each of its parts has something to do. Its trials are those of validate_runbooks.
    own_deployed.release()
    run("deploy_instance", EVERYTHING)
    run("rotate_hmac", set(DECLARED["rotate_hmac"]), "rotate-hmac")
    run("rotate_acr_token", set(DECLARED["rotate_acr_token"]), "rotate-acr-token")

    assert set(used) == set(DECLARED)
    every_run = set.union(*used.values())
    unused = {}
    for name, permissions in DECLARED.items():
        needed = {action for each in permissions for action in (*each.actions, *each.data_actions)}
        unused[name] = sorted(needed - used[name] - NOT_AT_FIRST - MADE_BEFORE.get(name, set()) - {"*/read"})
    assert unused == {name: [] for name in DECLARED}
    of_every = {action for each in EVERY_RUNBOOK for action in (*each.actions, *each.data_actions)}
    assert of_every <= every_run | NOT_AT_FIRST


@pytest.mark.parametrize(
    ("name", "missing"),
    # An earlier test has made the tables. A run that makes none needs no right to make them.
    [
        (name, each)
        for name in ("import_manifest", "bootstrap_registry")
        for each in DECLARED[name]
        if each is not MAKE_TABLES
    ],
    ids=lambda each: each if isinstance(each, str) else each.purpose,
)
def test_without_a_permission_a_run_fails_and_names_the_role(
    own_deployed: Deployed, name: str, missing: Permission
) -> None:
    own_deployed.release()
    for earlier in ("import_manifest", "import_images", "publish_runbooks") if name == "bootstrap_registry" else ():
        own_deployed.succeed(earlier)
    actions = {*missing.actions, *missing.data_actions}
    left = {each for each in (*EVERY_RUNBOOK, *DECLARED[name]) if not actions & {*each.actions, *each.data_actions}}
    grant(own_deployed.automation, left)
    job = own_deployed.run(name)
    assert job.status == "Failed"
    error = job.result["error"]
    told = f"{error['cause']} {error['remedy']} {error['message']}"
    # A read is refused first, so the message names a role that only reads.
    enough = [
        role.name for role in ROLES.values() if any(matches(one, each) for one in given(role) for each in actions)
    ]
    assert any(name in told for name in enough), error


def given(role: Role) -> list[str]:
    return [*role.actions, *role.data_actions]
