"""Package imports that fail or never end, as the control API asks for them."""

import time

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
