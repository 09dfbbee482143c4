"""Package imports that fail, never end or install nothing, if a test asks for it, and wheels that pip would refuse."""

import time

import pytest
from azure.mgmt.automation import models as m

from tests.support.automation import ENVIRONMENT, Automation, automation, state, upload, wheel
from tests.support.running_lab import LabUnderTest


def begin(account: Automation, name: str) -> None:
    file_name, content = wheel(name, {f"{name}.py": "x = 1\n"})
    link = m.ContentLink(uri=upload(account.lab, file_name, content))
    body = m.PackageCreateOrUpdateParameters(properties=m.PackageCreateOrUpdateProperties(content_link=link))
    account.client.package.create_or_update(*account.at, ENVIRONMENT, name, body)


def test_the_next_import_is_stuck_or_fails_and_the_one_after_it_does_not(lab: LabUnderTest) -> None:
    with automation(lab) as account:
        account.environment()
        lab.control("POST", "/packages", {"name": "stays", "state": "stuck"})
        lab.control("POST", "/packages", {"name": "fails", "state": "failed"})
        for name in ("stays", "fails", "other"):
            begin(account, name)
        deadline = time.monotonic() + 120
        while True:
            packages = {
                one.name: one for one in account.client.package.list_by_runtime_environment(*account.at, ENVIRONMENT)
            }
            if state(packages["other"]) == "Succeeded":
                break
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert (state(packages["stays"]), state(packages["fails"])) == ("Creating", "Failed")
        failed = packages["fails"].properties
        assert failed is not None
        assert failed.error is not None
        assert "not valid" in str(failed.error.message)
        assert failed.content_link is None
        file_name, content = wheel("stays", {"stays.py": "x = 1\n"})
        assert state(account.package(file_name, content)) == "Succeeded"
    refused: tuple[object, ...] = ({"name": "x", "state": "lost"}, {"name": "x"}, [])
    for body in refused:
        lab.control("POST", "/packages", body, status=400)


def test_an_import_may_succeed_and_give_jobs_nothing(lab: LabUnderTest) -> None:
    with automation(lab) as account:
        account.environment()
        lab.control("POST", "/packages", {"name": "empty", "state": "hollow"})
        file_name, content = wheel("empty", {"empty.py": "x = 1\n"})
        assert state(account.package(file_name, content)) == "Succeeded"
        _, ended = account.run("import empty\n")
        assert ended.status == "Failed"
        assert "No module named 'empty'" in str(ended.exception)
        assert state(account.package(file_name, content)) == "Succeeded"
        assert account.ended(account.start()).status == "Completed"


def test_what_a_wheel_has_for_platlib_is_put_beside_its_packages(lab: LabUnderTest) -> None:
    part = "whole-1.0.data/platlib/part-2.5.dist-info"
    files = {"part.py": "x = 1\n", f"{part}/METADATA": "Metadata-Version: 2.1\nName: part\nVersion: 2.5\n"}
    with automation(lab) as account:
        account.environment()
        assert state(account.package(*wheel("whole", files))) == "Succeeded"
        job, _ = account.run("import importlib.metadata as m, part\nprint(m.version('part'), m.version('whole'))\n")
        assert account.output(job).strip() == "2.5 1.0"


@pytest.mark.parametrize("files", [{"part-2.5.dist-info/METADATA": "Name: part\n"}, {}])
def test_a_wheel_has_one_dist_info_folder(lab: LabUnderTest, files: dict[str, str]) -> None:
    file_name, content = wheel("whole", files)
    content = content if files else content.replace(b".dist-info", b".dist-none")
    with automation(lab) as account:
        account.environment()
        refused = account.package(file_name, content)
        assert state(refused) == "Failed"
        assert refused.properties is not None
        assert refused.properties.error is not None
        assert "one .dist-info folder at its top" in str(refused.properties.error.message)
