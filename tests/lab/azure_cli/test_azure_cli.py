"""The lab and the real Azure CLI: the commands that administrators, operators and engineers of this product type."""

import json
import re
import subprocess
from collections.abc import Iterator, Sequence

import pytest

from tests.support import oci_client as oci
from tests.support.azure_cli import CLI, AzureCli, azure_cli, script
from tests.support.running_lab import LabUnderTest
from vibedata.lab_process import PROJECT

PAGE = PROJECT / "docs/lab-clients.md"
GROUP = "/subscriptions/$VIBEDATA_SUBSCRIPTION_ID/resourceGroups/vibedata-managed"
ACCOUNT = f"{GROUP}/providers/Microsoft.Automation/automationAccounts/vibedata-automation"
PUBLISHER = "--subscription $VIBEDATA_PUBLISHER_SUBSCRIPTION_ID"
TSV = "--output tsv --query"


@pytest.fixture(scope="module")
def logged_in(lab: LabUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureCli]:
    with azure_cli(lab, tmp_path_factory.mktemp("azure-cli")) as cli:
        for line in (
            "az cloud register --name lab --endpoint-resource-manager $VIBEDATA_ARM_ENDPOINT",
            "az cloud set --name lab",
            "az login --identity --client-id $VIBEDATA_UAMI_CLIENT_ID",
            "az account set --subscription $VIBEDATA_SUBSCRIPTION_ID",
        ):
            answer = cli.run(line)
            assert answer.code == 0, answer.err
        yield cli


@pytest.fixture
def az(logged_in: AzureCli) -> Iterator[AzureCli]:
    """The CLI, which must not have tried to leave this machine."""
    yield logged_in
    assert logged_in.refused() == []


def answers(az: AzureCli, lines: Sequence[tuple[str, str]], **values: str) -> None:
    """Check that each line succeeds and prints the text beside it. $NAME stands for a variable of the environment in
    both.
    """
    for line, expected in lines:
        answer = az.run(line, **values)
        assert answer.code == 0, f"{line}\n{answer.err}"
        wanted = re.sub(r"\$(\w+)", lambda found: az.environment[found[1]], expected)
        assert answer.out.split() == wanted.split(), line


ADMINISTRATOR = [
    (f"az account list {TSV} 'sort([].name)'", "Vibedata customer Vibedata publisher"),
    (f"az account show {TSV} '[id, user.type, state]'", "$VIBEDATA_SUBSCRIPTION_ID servicePrincipal Enabled"),
    (f"az account list-locations {TSV} '[].name'", "westeurope northeurope"),
    (f"az account show --subscription $VIBEDATA_PUBLISHER_SUBSCRIPTION_ID {TSV} name", "Vibedata publisher"),
    (f"az group list {TSV} '[].name'", "vibedata vibedata-managed"),
    ("az group exists --name vibedata-managed", "true"),
    ("az group exists --name vibedata-other", "false"),
    (f"az group show --name VIBEDATA-Managed {TSV} managedBy", "{application}"),
    (f"az managedapp list {TSV} '[].managedResourceGroupId'", GROUP),
    (f"az managedapp list --resource-group vibedata {TSV} '[].name'", "vibedata"),
    ("az managedapp list --resource-group vibedata-managed", "[]"),
    (
        f"az managedapp show --resource-group vibedata --name vibedata {TSV} '[id, kind, plan.publisher]'",
        "{application} MarketPlace vibedata",
    ),
    (f"az resource list --resource-group vibedata {TSV} '[].type'", "Microsoft.Solutions/applications"),
    (f"az resource list --resource-group vibedata-managed {TSV} 'length(@) > `60`'", "true"),
    (f"az resource list --resource-type Microsoft.KeyVault/vaults {TSV} '[].name'", "vibedata-kv"),
    (f"az resource list --name studio --location westeurope {TSV} '[].type'", "Microsoft.App/containerApps"),
    (
        "az resource show --resource-group vibedata-managed --resource-type Microsoft.App/containerApps "
        f"--name studio {TSV} properties.runningStatus",
        "Running",
    ),
    (f"az resource show --ids {ACCOUNT} {TSV} name", "vibedata-automation"),
    (f"az provider show --namespace Microsoft.Automation {TSV} registrationState", "Registered"),
    (f"az provider list {TSV} \"length([?namespace=='Microsoft.Solutions'])\"", "1"),
    (f"az keyvault list {TSV} '[].name'", "vibedata-kv"),
    (f"az keyvault show --name vibedata-kv {TSV} properties.vaultUri", "$VIBEDATA_KEY_VAULT_ENDPOINT/"),
    (f"az storage account list {TSV} '[].name'", "vibedatastorage"),
    (
        f"az identity show --resource-group vibedata-managed --name vibedata-uami {TSV} clientId",
        "$VIBEDATA_UAMI_CLIENT_ID",
    ),
    (f"az identity list {TSV} \"[?ends_with(name, 'uami')].name\"", "vibedata-uami"),
    (
        f"az role definition list --name 'Key Vault Secrets User' {TSV} '[].name'",
        "4633458b-17de-408a-b874-0445c86b69e6",
    ),
    ("az lock list --resource-group vibedata-managed", "[]"),
    (f"az network vnet list {TSV} '[].name'", "vibedata-vnet"),
    (f"az network nsg list {TSV} 'length(@) > `0`'", "true"),
    (f"az network private-endpoint list --resource-group vibedata-managed {TSV} 'length(@) > `0`'", "true"),
    (f"az network private-dns zone list {TSV} 'length(@) > `0`'", "true"),
    (f"az network application-gateway list {TSV} '[].name'", "vibedata-gateway"),
    (f"az postgres flexible-server list {TSV} '[].state'", "Ready"),
    (f"az aks list {TSV} '[].powerState.code'", "Running"),
    (f"az appservice plan list {TSV} '[].name'", "vibedata-plan"),
]


def test_an_administrator_looks_around(az: AzureCli) -> None:
    application = (
        f"/subscriptions/{az.environment['VIBEDATA_SUBSCRIPTION_ID']}/resourceGroups/vibedata"
        "/providers/Microsoft.Solutions/applications/vibedata"
    )
    answers(az, [(line, expected.replace("{application}", application)) for line, expected in ADMINISTRATOR])


OPERATOR = [
    (f"az containerapp list --resource-group vibedata-managed {TSV} 'length(@)'", "12"),
    (
        "az containerapp show --resource-group vibedata-managed --name studio "
        f"{TSV} 'properties.template.containers[].image'",
        "$VIBEDATA_CUSTOMER_REGISTRY/vibedata/studio:2026.11.0",
    ),
    (
        f"az functionapp list --resource-group vibedata-managed {TSV} 'sort([].name)'",
        "vibedata-functions",
    ),
    (
        "az monitor metrics alert list --resource-group vibedata-managed "
        f"{TSV} \"[?name=='vibedata-vault-availability'].severity\"",
        "1",
    ),
    (
        f"az monitor metrics alert show --resource-group vibedata-managed --name vibedata-aks-nodes {TSV} enabled",
        "true",
    ),
    (f"az monitor action-group list {TSV} '[].name'", "vibedata-operators"),
    (
        "az monitor action-group show --resource-group vibedata-managed --name vibedata-operators "
        f"{TSV} 'emailReceivers[].status'",
        "Enabled",
    ),
    (
        "az monitor log-analytics workspace show --resource-group vibedata-managed --workspace-name vibedata-logs "
        f"{TSV} retentionInDays",
        "90",
    ),
    (
        f"az keyvault secret list --id $VIBEDATA_KEY_VAULT_ENDPOINT {TSV} '[].name'",
        "publisher-acr-token tls-certificate",
    ),
    (
        f"az keyvault secret show --id $VIBEDATA_KEY_VAULT_ENDPOINT/secrets/publisher-acr-token {TSV} contentType",
        "application/json",
    ),
    (
        "az keyvault secret list-versions --id $VIBEDATA_KEY_VAULT_ENDPOINT/secrets/publisher-acr-token "
        f"{TSV} 'length(@)'",
        "1",
    ),
    ("az keyvault secret list-deleted --id $VIBEDATA_KEY_VAULT_ENDPOINT", "[]"),
    ("az keyvault key list --id $VIBEDATA_KEY_VAULT_ENDPOINT", "[]"),
    (
        f"az keyvault key list --id $VIBEDATA_PUBLISHER_KEY_VAULT_ENDPOINT {TSV} '[].name'",
        "acme-account release-signing",
    ),
    (f"az keyvault key show --id $VIBEDATA_SIGNING_KEY {TSV} key.kid", "$VIBEDATA_SIGNING_KEY"),
    (
        "az storage container immutability-policy show --account-name vibedatastorage "
        f"--container-name release-manifests {TSV} '[immutabilityPeriodSinceCreationInDays, state]'",
        "365 Locked",
    ),
    (f"az acr list {TSV} '[].loginServer'", "$VIBEDATA_CUSTOMER_REGISTRY"),
    (f"az acr show --name vibedataacr {TSV} sku.name", "Premium"),
    ("az acr repository list --name vibedataacr", "[]"),
    (f"az acr show --name vibedata {PUBLISHER} {TSV} loginServer", "$VIBEDATA_PUBLISHER_REGISTRY"),
    (
        f"az acr token list --registry vibedata --resource-group vibedata-publisher {PUBLISHER} {TSV} '[].name'",
        "$VIBEDATA_PUBLISHER_TOKEN_NAME",
    ),
    (
        "az acr token update --registry vibedata --resource-group vibedata-publisher "
        f"--name $VIBEDATA_PUBLISHER_TOKEN_NAME --status disabled {PUBLISHER} {TSV} status",
        "disabled",
    ),
    (
        "az acr token credential generate --registry vibedata --resource-group vibedata-publisher "
        f"--name $VIBEDATA_PUBLISHER_TOKEN_NAME --password2 --expiration-in-days 3 {PUBLISHER} "
        f"{TSV} 'passwords[].name'",
        "password2",
    ),
    (
        f"az acr scope-map list --registry vibedata --resource-group vibedata-publisher {PUBLISHER} {TSV} '[].name'",
        "vibedata-releases",
    ),
    (
        "az acr scope-map show --registry vibedata --resource-group vibedata-publisher --name vibedata-releases "
        f"{PUBLISHER} {TSV} actions",
        "repositories/*/content/read repositories/*/metadata/read",
    ),
    (f"az resource list {PUBLISHER} {TSV} 'sort([].name)'", "vibedata vibedata-release vibedata.ai vibedatapublisher"),
    (f"az group list {PUBLISHER} {TSV} '[].name'", "vibedata-publisher"),
    (f"az keyvault show --name vibedata-release {PUBLISHER} {TSV} properties.sku.name", "premium"),
]


def test_an_operator_looks_after_an_instance_and_its_token(az: AzureCli) -> None:
    answers(az, OPERATOR)


RUNBOOK = f"{ACCOUNT}/runbooks/probe"
ENGINEER = [
    (f"az rest --url '{ACCOUNT}?api-version=2023-11-01' {TSV} name", "vibedata-automation"),
    (
        f"az rest --method put --url '{RUNBOOK}?api-version=2023-11-01' --body '{{body}}' {TSV} properties.state",
        "New",
    ),
    (
        f"az rest --method put --url '{RUNBOOK}/draft/content?api-version=2023-11-01' "
        "--headers Content-Type=text/powershell --body 'print(1)'",
        "",
    ),
    (f"az rest --method post --url '{RUNBOOK}/publish?api-version=2023-11-01'", ""),
    (f"az rest --url '{ACCOUNT}/runbooks?api-version=2023-11-01' {TSV} 'value[].name'", "probe"),
    (f"az rest --url '{ACCOUNT}/jobs?api-version=2023-11-01' {TSV} 'value[]'", ""),
    (f"az rest --url '//{ACCOUNT[1:]}/jobs?api-version=2023-11-01' {TSV} 'value[]'", ""),
    (
        "az storage blob upload --auth-mode login --blob-endpoint $VIBEDATA_BLOB_ENDPOINT --container-name artifacts "
        f"--name notes.txt --data hello --no-progress {TSV} type(etag)",
        "string",
    ),
    (
        "az storage blob list --auth-mode login --blob-endpoint $VIBEDATA_BLOB_ENDPOINT --container-name artifacts "
        f"{TSV} '[].name'",
        "notes.txt",
    ),
    (
        "az storage blob show --auth-mode login --blob-endpoint $VIBEDATA_BLOB_ENDPOINT --container-name artifacts "
        f"--name notes.txt {TSV} properties.contentLength",
        "5",
    ),
    ("az storage table list --auth-mode login --table-endpoint $VIBEDATA_TABLE_ENDPOINT", "[]"),
    (
        "az storage container-rm show --storage-account vibedatastorage --resource-group vibedata-managed "
        f"--name release-manifests {TSV} hasImmutabilityPolicy",
        "true",
    ),
    (
        "az role assignment create --role 'Storage Blob Data Contributor' --assignee-principal-type ServicePrincipal "
        f"--assignee-object-id {{principal}} --scope {ACCOUNT} {TSV} principalType",
        "ServicePrincipal",
    ),
    (
        f"az role assignment list --scope {ACCOUNT} --fill-principal-name false {TSV} '[].roleDefinitionName'",
        "Automation Contributor Storage Blob Data Contributor",
    ),
    (
        f"az role assignment list --all --fill-principal-name false {TSV} "
        "\"length([?roleDefinitionName=='Storage Blob Data Contributor'])\"",
        "2",
    ),
    (
        "az role assignment delete --role 'Storage Blob Data Contributor' --assignee-object-id {principal} "
        f"--scope {ACCOUNT}",
        "",
    ),
    (
        f"az role assignment list --scope {ACCOUNT} --fill-principal-name false {TSV} '[].roleDefinitionName'",
        "Automation Contributor",
    ),
]


def test_an_engineer_publishes_writes_and_assigns(az: AzureCli, lab: LabUnderTest) -> None:
    # `az rest` does not follow the operation that stores a draft.
    lab.latency(operation="runbook", seconds=0.0)
    principal = "d1b2c3e4-2222-4b5c-9d9e-1f102b3c4d05"
    body = json.dumps({"location": "westeurope", "properties": {"runbookType": "Python3"}})
    lines = [(line, expected.replace("{principal}", principal)) for line, expected in ENGINEER]
    answers(
        az, [(line.replace("'{body}'", "{body}"), expected) for line, expected in lines], body=body, principal=principal
    )


def test_an_engineer_imports_an_image_and_finds_it(az: AzureCli, lab: LabUnderTest) -> None:
    pushed = oci.image(b"layer")
    oci.publisher(lab).push("vibedata/probe", pushed, "1")
    reader = oci.scoped_token(lab)
    source = f"{reader.host}/vibedata/probe@{pushed.digest}"
    lines = [
        (
            "az acr import --name vibedataacr --source {source} --image vibedata/probe:1 "
            "--username {username} --password {password} --output none",
            "",
        ),
        (f"az acr repository list --name vibedataacr {TSV} '[]'", "vibedata/probe"),
        (f"az acr repository show-tags --name vibedataacr --repository vibedata/probe {TSV} '[]'", "1"),
        (f"az acr repository show --name vibedataacr --image vibedata/probe:1 {TSV} digest", pushed.digest),
    ]
    answers(az, lines, source=source, username=reader.username, password=reader.password)


def test_an_operator_asks_the_log(az: AzureCli, lab: LabUnderTest) -> None:
    """`az monitor log-analytics query` is an extension, which Microsoft hosts elsewhere than on PyPI."""
    workspace = lab.control("GET", "/names")["workspace_id"]
    body = json.dumps({"query": "VibeData_Operations_CL | take 1"})
    line = (
        "az rest --method post --url $VIBEDATA_LOGS_QUERY_ENDPOINT/v1/workspaces/{workspace}/query "
        f"--resource $VIBEDATA_LOGS_QUERY_ENDPOINT --body {{body}} {TSV} 'tables[].name'"
    )
    answers(az, [(line, "PrimaryResult")], workspace=workspace, body=body)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("az group show --name vibedata-other", "ResourceGroupNotFound"),
        ("az managedapp show --resource-group vibedata --name other", "ResourceNotFound"),
        ("az keyvault show --resource-group vibedata-managed --name other", "ResourceNotFound"),
        ("az resource show --ids {group}/providers/Microsoft.Nothing/x/y", "InvalidResourceNamespace"),
        ("az deployment group list --resource-group vibedata-managed", "InvalidResourceNamespace"),
        ("az monitor activity-log list --resource-group vibedata-managed", "InvalidResourceType"),
        ("az tag list", "NotFound"),
        ("az rest --url '{account}?api-version=2015-10-31'", "NoRegisteredProviderFound"),
        ("az rest --url '{account}?api-version=2099-01-01'", "NoRegisteredProviderFound"),
        ("az rest --url '{account}?api-version=2024-10-23-preview'", "NoRegisteredProviderFound"),
        ("az rest --url '{account}/runtimeEnvironments?api-version=2023-11-01'", "NoRegisteredProviderFound"),
        ("az rest --url '/subscriptions?api-version=2099-01-01'", "InvalidApiVersionParameter"),
        ("az rest --method post --url '/tenants?api-version=2022-12-01'", "MethodNotAllowed"),
        (
            "az role assignment create --role 00000000-0000-0000-0000-000000000001 --scope {group} "
            "--assignee-object-id d1b2c3e4-2222-4b5c-9d9e-1f102b3c4d05 --assignee-principal-type ServicePrincipal",
            "RoleDefinitionDoesNotExist",
        ),
    ],
)
def test_what_the_lab_does_not_have_is_refused_with_a_code(az: AzureCli, line: str, code: str) -> None:
    subscription = az.environment["VIBEDATA_SUBSCRIPTION_ID"]
    group = GROUP.replace("$VIBEDATA_SUBSCRIPTION_ID", subscription)
    account = ACCOUNT.replace("$VIBEDATA_SUBSCRIPTION_ID", subscription)
    answer = az.run(line, group=group, account=account)
    assert answer.code != 0
    assert code in answer.err


@pytest.mark.timeout(600)  # some twenty processes of the CLI, each of which takes seconds to start
def test_the_commands_of_the_page_on_clients_work(lab: LabUnderTest, tmp_path_factory: pytest.TempPathFactory) -> None:
    blocks = re.findall(r"(?:^    .*\n)+", PAGE.read_text(), re.MULTILINE)
    text = re.sub(r"^    ", "", "".join(blocks), flags=re.MULTILINE)
    assert text.count("az ") > 15
    directory = tmp_path_factory.mktemp("page")
    with azure_cli(lab, directory) as cli:
        # This test uses its own folders instead of the page's folders for the lab and for the CLI's configuration.
        text = text.replace(".lab/lab.env", str(lab.directory / "lab.env"))
        text = text.replace("$PWD/.lab/azure-cli", str(directory / "azure-cli"))
        printed = script(cli, text)
        assert cli.refused() == []
    for found in ("Vibedata publisher", "Microsoft.KeyVault/vaults", "release-manifests", "publisher-acr-token"):
        assert found in printed


def test_the_guard_refuses_what_would_leave_this_machine(az: AzureCli) -> None:
    """The guard refuses a connection that would leave this machine. The test only simulates it."""
    events = (
        ("socket.connect", "('192.0.2.1', 443)", True),
        ("socket.connect", "('2001:db8::1', 443, 0, 0)", True),
        ("socket.sendto", "('192.0.2.1', 53)", True),
        ("socket.connect", "('127.0.0.1', 443)", False),
        ("socket.connect", "('::1', 443, 0, 0)", False),
    )
    for event, address, refused in events:
        text = f"import sys; sys.audit({event!r}, None, {address})"
        ended = subprocess.run([CLI / "python", "-c", text], env=dict(az.environment), capture_output=True, check=False)
        assert (ended.returncode != 0) is refused, address
        assert len(az.refused()) == refused
    text = "import sys; sys.audit('socket.getaddrinfo', 'login.microsoftonline.com', 443)"
    ended = subprocess.run([CLI / "python", "-c", text], env=dict(az.environment), capture_output=True, check=False)
    assert ended.returncode != 0
    assert az.refused() == ["socket.getaddrinfo 'login.microsoftonline.com'"]
