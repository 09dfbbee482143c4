"""The Automation stand-in, driven by azure-mgmt-automation: variables, environments, packages, runbooks, jobs."""

import hashlib
from collections.abc import Iterator

import pytest
import requests
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import ManagedIdentityCredential
from azure.mgmt.automation import models as m

from tests.support.automation import ENVIRONMENT, Automation, automation, state, upload, wait_for, wheel
from tests.support.running_lab import LabUnderTest

PRINTS = "import sys\nprint('hello', sys.argv[1:])\n"


@pytest.fixture
def account(lab: LabUnderTest) -> Iterator[Automation]:
    with automation(lab) as opened:
        yield opened


def raw(
    account: Automation, method: str, path: str, body: object = None, *, version: str = "2024-10-23"
) -> requests.Response:
    with ManagedIdentityCredential(client_id=account.lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential:
        token = credential.get_token("https://management.azure.com/.default").token
    url = (
        f"{account.lab.env['VIBEDATA_ARM_ENDPOINT']}/subscriptions/{account.lab.env['VIBEDATA_SUBSCRIPTION_ID']}"
        f"/resourceGroups/{account.group}/providers/Microsoft.Automation/automationAccounts/{account.account}/{path}"
    )
    headers = {"Authorization": f"Bearer {token}"}
    return requests.request(method, url, params={"api-version": version}, json=body, headers=headers, timeout=60)


def running(account: Automation) -> list[str]:
    found = account.client.job.list_by_automation_account(*account.at, filter="properties/status eq 'Running'")
    return [str(job.name) for job in found]


def variable(account: Automation, name: str, value: str, *, encrypted: bool = False) -> m.Variable:
    properties = m.VariableCreateOrUpdateProperties(value=value, is_encrypted=encrypted)
    body = m.VariableCreateOrUpdateParameters(name=name, properties=properties)
    return account.client.variable.create_or_update(*account.at, name, body)


def test_account_and_its_resources_are_listed(account: Automation) -> None:
    account.environment()
    account.publish(PRINTS)
    assert account.client.automation_account.get(*account.at).name == account.account
    assert [runbook.name for runbook in account.client.runbook.list_by_automation_account(*account.at)] == ["probe"]
    environments = account.client.runtime_environments.list_by_automation_account(*account.at)
    names = [str(environment.name) for environment in environments]
    assert names[6:] == [ENVIRONMENT]
    assert names[:6] == [
        "PowerShell-5.1",
        "PowerShell-7.1",
        "PowerShell-7.2",
        "Python-2.7",
        "Python-3.8",
        "Python-3.10",
    ]


def test_variables(account: Automation) -> None:
    created = variable(account, "vibedata-settings", '{"prefix": "x"}')
    assert created.properties is not None
    assert created.properties.value == '{"prefix": "x"}'
    variable(account, "hidden", '"s3cret-value"', encrypted=True)
    hidden = account.client.variable.get(*account.at, "hidden")
    assert hidden.properties is not None
    assert (hidden.properties.value, hidden.properties.is_encrypted) == (None, True)
    names = {item.name for item in account.client.variable.list_by_automation_account(*account.at)}
    assert names == {"vibedata-settings", "hidden"}
    with pytest.raises(HttpResponseError, match="Invalid JSON"):
        variable(account, "bad", "not json")
    account.client.variable.delete(*account.at, "hidden")
    with pytest.raises(ResourceNotFoundError):
        account.client.variable.get(*account.at, "hidden")


@pytest.mark.parametrize(("language", "version"), [("Python", "3.12"), ("PowerShell", "7.2")])
def test_environment_is_python_310_only(account: Automation, language: str, version: str) -> None:
    runtime = m.RuntimeProperties(language=language, version=version)
    body = m.RuntimeEnvironment(location="westeurope", properties=m.RuntimeEnvironmentProperties(runtime=runtime))
    with pytest.raises(HttpResponseError, match=r"Python 3\.10"):
        account.client.runtime_environments.create(*account.at, "other", body)


def test_package_import_takes_a_hashed_wheel_and_forgets_its_link(account: Automation) -> None:
    account.environment()
    file_name, content = wheel("tiny", {"tiny.py": "ANSWER = 42\n"}, version="2.1")
    package = account.package(file_name, content, sha256=hashlib.sha256(content).hexdigest().upper())
    assert package.properties is not None
    assert state(package) == "Succeeded"
    assert package.properties.version == "2.1"
    assert package.properties.size_in_bytes == len(content)
    assert package.properties.content_link is None
    listed = account.client.package.list_by_runtime_environment(*account.at, ENVIRONMENT)
    assert [item.name for item in listed] == ["tiny"]
    account.client.package.delete(*account.at, ENVIRONMENT, "tiny")
    with pytest.raises(ResourceNotFoundError):
        account.client.package.get(*account.at, ENVIRONMENT, "tiny")


@pytest.mark.parametrize(
    ("tag", "fits"),
    [
        ("cp310-cp310-manylinux_2_17_x86_64.manylinux2014_x86_64", True),
        ("cp38-abi3-manylinux_2_28_x86_64", True),
        ("cp311-cp311-manylinux_2_17_x86_64", False),
        ("cp310-cp310-win_amd64", False),
        ("cp310-cp310-musllinux_1_2_x86_64", False),
        ("cp310-cp310-manylinux_2_17_aarch64", False),
    ],
)
def test_only_wheels_for_the_sandbox_are_taken(account: Automation, tag: str, *, fits: bool) -> None:
    account.environment()
    package = account.package(*wheel("tiny", {"tiny.py": ""}, tag=tag))
    assert package.properties is not None
    assert state(package) == ("Succeeded" if fits else "Failed"), package.properties.error
    assert fits or "3.10" in str(package.properties.error and package.properties.error.message)


def test_package_that_is_not_what_its_hash_says_fails(account: Automation) -> None:
    account.environment()
    package = account.package(*wheel("tiny", {"tiny.py": ""}), sha256="0" * 64)
    assert package.properties is not None
    assert package.properties.error is not None
    assert "SHA-256" in str(package.properties.error.message)


@pytest.mark.parametrize(("name", "content"), [("tiny-1.0.tar.gz", b"x"), ("tiny-1.0-py3-none-any.whl", b"no zip")])
def test_package_that_is_no_wheel_fails(account: Automation, name: str, content: bytes) -> None:
    account.environment()
    assert state(account.package(name, content)) == "Failed"


def test_package_whose_link_is_dead_fails(account: Automation) -> None:
    account.environment()
    address = upload(account.lab, *wheel("tiny", {"tiny.py": ""})).partition("?")[0]
    answer = raw(
        account,
        "PUT",
        f"runtimeEnvironments/{ENVIRONMENT}/packages/tiny",
        {"properties": {"contentLink": {"uri": address}}},
    )
    assert answer.status_code == 201
    package = wait_for(
        lambda: account.client.package.get(*account.at, ENVIRONMENT, "tiny"), lambda seen: state(seen) == "Failed"
    )
    assert package.properties is not None
    assert "content link answered" in str(package.properties.error and package.properties.error.message)


def test_sixth_import_within_30_seconds_is_throttled(account: Automation) -> None:
    account.environment()
    body = {"properties": {"contentLink": {"uri": "https://127.0.0.1:1/tiny-1.0-py3-none-any.whl"}}}
    answers = [
        raw(account, "PUT", f"runtimeEnvironments/{ENVIRONMENT}/packages/p{number}", body) for number in range(6)
    ]
    assert [answer.status_code for answer in answers] == [201] * 5 + [429]
    assert 25 <= int(answers[5].headers["Retry-After"]) <= 30
    account.lab.latency(operation="packageImportWindow", seconds=0)
    assert raw(account, "PUT", f"runtimeEnvironments/{ENVIRONMENT}/packages/p6", body).status_code == 201


def test_runbook_from_draft_to_published_text_byte_for_byte(account: Automation) -> None:
    account.environment()
    account.publish("print('first')\n")
    text = "# ünïcode, and no newline at the end\r\nprint('second')"
    account.client.runbook_draft.begin_replace_content(*account.at, "probe", text).result()
    edited = account.client.runbook.get(*account.at, "probe")
    assert edited.properties is not None
    assert (edited.properties.state, edited.properties.runtime_environment) == ("Edit", ENVIRONMENT)
    assert account.client.runbook_draft.get_content(*account.at, "probe") == text
    assert account.client.runbook.get_content(*account.at, "probe") == "print('first')\n"
    account.client.runbook.begin_publish(*account.at, "probe").result()
    published = account.client.runbook.get(*account.at, "probe")
    assert published.properties is not None
    assert published.properties.state == "Published"
    assert raw(account, "GET", "runbooks/probe/content").content == text.encode()
    with pytest.raises(ResourceNotFoundError):
        account.client.runbook_draft.get_content(*account.at, "probe")


def test_undo_edit_drops_the_draft(account: Automation) -> None:
    account.environment()
    account.publish("print('first')\n")
    account.client.runbook_draft.begin_replace_content(*account.at, "probe", "print('second')").result()
    account.client.runbook_draft.undo_edit(*account.at, "probe")
    with pytest.raises(HttpResponseError, match="no draft"):
        account.client.runbook.begin_publish(*account.at, "probe")
    assert account.client.runbook.get_content(*account.at, "probe") == "print('first')\n"


@pytest.mark.parametrize("size", [0, 1_048_577])
def test_runbook_text_has_a_size(account: Automation, size: int) -> None:
    account.environment()
    account.publish("x")
    with pytest.raises(HttpResponseError, match="between 1 and 1048576 bytes") as refused:
        account.client.runbook_draft.begin_replace_content(*account.at, "probe", "#" * size)
    assert refused.value.status_code == 400


def test_runbook_of_the_largest_size_is_published(account: Automation) -> None:
    account.environment()
    account.publish("#" * 1_048_576)
    assert len(account.client.runbook.get_content(*account.at, "probe")) == 1_048_576


@pytest.mark.parametrize(
    ("name", "properties", "message"),
    [
        ("1probe", {"runbookType": "Python", "draft": {}}, "expected pattern"),
        ("probe", {"runbookType": "Perl", "draft": {}}, "runbookType"),
        ("probe", {"runbookType": "Python", "draft": {}, "publishContentLink": {"uri": "https://x"}}, "not both"),
        ("probe", {"runbookType": "Python", "draft": {}, "runtimeEnvironment": "none"}, "none"),
        ("probe", {"runbookType": "Python", "draft": {}, "colour": "red"}, "colour"),
    ],
)
def test_runbook_that_azure_would_refuse(account: Automation, name: str, properties: object, message: str) -> None:
    answer = raw(account, "PUT", f"runbooks/{name}", {"location": "westeurope", "properties": properties})
    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]


def test_publish_content_link_publishes_at_once(account: Automation) -> None:
    account.environment()
    properties = m.RunbookCreateOrUpdateProperties(
        runbook_type="Python",
        runtime_environment=ENVIRONMENT,
        publish_content_link=m.ContentLink(uri=upload(account.lab, "probe.py", PRINTS.encode())),
    )
    body = m.RunbookCreateOrUpdateParameters(location="westeurope", properties=properties)
    account.client.runbook.create_or_update(*account.at, "probe", body)
    assert account.client.runbook.get_content(*account.at, "probe") == PRINTS


def test_unknown_version_path_and_name_are_refused(account: Automation) -> None:
    assert raw(account, "GET", "runbooks", version="2015-10-31").status_code == 400
    assert raw(account, "GET", "certificates").status_code == 404
    assert raw(account, "GET", "runbooks/probe").status_code == 404
    assert raw(account, "PATCH", "runbooks/probe").status_code == 405


def test_job_output_streams_and_status(account: Automation) -> None:
    account.environment()
    lines = ["one", "WARNING: two", "Error: three", "verbose: four", "DEBUG: five", "six"]
    job, ended = account.run(f"for line in {lines!r}: print(line)", log_verbose=True)
    assert (ended.status, ended.provisioning_state, ended.exception) == ("Completed", "Succeeded", None)
    assert ended.start_time is not None
    assert ended.end_time is not None
    assert account.output(job) == "one\nsix"
    streams = list(account.client.job_stream.list_by_job(*account.at, job))
    assert [stream.properties and stream.properties.stream_type for stream in streams] == [
        "Output",
        "Warning",
        "Error",
        "Verbose",
        "Output",
    ]
    warnings = list(
        account.client.job_stream.list_by_job(*account.at, job, filter="properties/streamType eq 'Warning'")
    )
    assert warnings[0].properties is not None
    whole = account.client.job_stream.get(*account.at, job, str(warnings[0].properties.job_stream_id))
    assert whole.properties is not None
    assert whole.properties.stream_text == "WARNING: two"


def test_many_stream_records_come_in_pages(account: Automation) -> None:
    account.environment()
    job, _ = account.run("for number in range(250): print('WARNING:', number)")
    found = account.client.job_stream.list_by_job(*account.at, job, filter="properties/streamType eq 'Warning'")
    texts = [stream.properties.summary for stream in found if stream.properties]
    assert texts == [f"WARNING: {number}" for number in range(250)]
    paths = [entry["path"] for entry in account.lab.journal(service="arm", method="GET") if "/streams" in entry["path"]]
    assert len(paths) == 3


def test_verbose_is_kept_only_if_the_runbook_says_so(account: Automation) -> None:
    account.environment()
    job, _ = account.run("print('VERBOSE: x')", log_verbose=False)
    assert list(account.client.job_stream.list_by_job(*account.at, job)) == []


def test_parameters_become_words_in_order_and_json_becomes_python_text(account: Automation) -> None:
    account.environment()
    job, _ = account.run(
        "import sys\nfor word in sys.argv[1:]: print(word)", {"z": "a b", "a": '{"k":true}', "m": "eyJrIjoxfQ"}
    )
    assert account.output(job).splitlines() == ["a", "b", "{'k':", "True}", "eyJrIjoxfQ"]


def test_failed_job_shows_its_stderr(account: Automation) -> None:
    account.environment()
    job, ended = account.run("print('ERROR: shown')\nraise SystemExit('the reason')")
    assert (ended.status, ended.provisioning_state) == ("Failed", "Failed")
    assert "the reason" in str(ended.exception)
    assert account.record(job)["exit_code"] == 1
    _, ended = account.run("print('ERROR: fails no job')")
    assert ended.status == "Completed"


def test_repeated_job_name_is_answered_with_the_old_job(account: Automation) -> None:
    account.environment()
    job, _ = account.run(PRINTS)
    with pytest.raises(HttpResponseError) as refused:
        account.start({"p": "other"}, job=job)
    assert refused.value.status_code == 200
    answer = raw(account, "PUT", f"jobs/{job}", {"properties": {"runbook": {"name": "probe"}}})
    assert answer.json()["properties"]["status"] == "Completed"
    assert len(list(account.client.job.list_by_automation_account(*account.at))) == 1


def test_job_needs_a_published_runbook(account: Automation) -> None:
    with pytest.raises(ResourceNotFoundError):
        account.start(name="absent")
    account.environment()
    raw(account, "PUT", "runbooks/draft", {"location": "x", "properties": {"runbookType": "Python", "draft": {}}})
    with pytest.raises(HttpResponseError, match="no published version"):
        account.start(name="draft")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"p": "x" * 524_289}, "Max allowed length:524288"),
        ({str(number): "x" for number in range(51)}, "50 parameters"),
    ],
)
def test_parameters_have_limits(account: Automation, parameters: dict[str, str], message: str) -> None:
    account.environment()
    account.publish(PRINTS)
    with pytest.raises(HttpResponseError, match=message):
        account.start(parameters)


def test_stop_ends_a_running_job(account: Automation) -> None:
    account.environment()
    account.publish("import time\nprint('up', flush=True)\ntime.sleep(600)")
    job = account.start()
    wait_for(lambda: account.output(job), lambda output: output == "up")
    assert account.status(job) == "Running"
    account.client.job.stop(*account.at, job)
    assert account.ended(job).status == "Stopped"
    with pytest.raises(HttpResponseError, match="has ended"):
        account.client.job.stop(*account.at, job)


def test_eleventh_job_waits(account: Automation) -> None:
    account.environment()
    account.publish("import time\ntime.sleep(600)")
    jobs = [account.start() for _ in range(11)]
    wait_for(lambda: running(account), lambda names: len(names) == 10)
    assert account.status(jobs[-1]) == "New"
    account.client.job.stop(*account.at, jobs[0])
    wait_for(lambda: running(account), lambda names: jobs[-1] in names)


def test_runbook_without_environment_is_not_run_with_another_python(account: Automation) -> None:
    account.publish(PRINTS, environment=None)
    ended = account.ended(account.start())
    assert ended.status == "Failed"
    assert "runtimeEnvironment" in str(ended.exception)
