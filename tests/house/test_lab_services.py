"""The service that docs/lab-services.md adds works: its files and its two lines in a copy of the lab, over the wire."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "lab-services.md").read_text(encoding="utf-8")
FILE = re.compile(r"^Write `([^`]+)`:\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINES = re.findall(r"^```text\n(.+)\n```$", TEXT, re.MULTILINE)
IMPORTS = re.findall(r"`(from lab\.\w+\s+import \w+ as \w+)`", TEXT)
# Where the page's lines go: before these, which are in the files today.
PLACES = {
    "lab/main.py": '    "publisher_api": publisher_api.routes,\n',
    "lab/subscriptions.py": "    publishers_home =",
}
PROGRAM = """
import asyncio, json, pathlib, sys
from lab import main
from lab.shared import ARM_AUDIENCES

async def asked(lab, service, path, token):
    async with lab.upstream.get(lab.urls[service] + path, headers={"Authorization": f"Bearer {token}"}) as answer:
        return answer.status, await answer.text()

async def read(lab, key, token):
    print(*await asked(lab, "app_configuration", f"/kv/{key}", token))

async def whole():
    async with main.running(pathlib.Path(sys.argv[1]), publisher_root=pathlib.Path.cwd()) as (lab, _):
        token = lab.tokens.issue(ARM_AUDIENCES[0], lab.names.uami_principal_id, oid=lab.names.uami_principal_id)
        await read(lab, "channel", token)
        await read(lab, "other", token)
        await read(lab, "channel", "none")
        entries = lab.gate.journal.select(service="app_configuration", job_id=None, method=None, since=0)
        print([entry.status for entry in entries])
        home = f"/subscriptions/{lab.names.subscription_id}"
        path = f"{home}/providers/Microsoft.AppConfiguration?api-version=2021-04-01"
        status, text = await asked(lab, "arm", path, token)
        print(status, *(kind["resourceType"] for kind in json.loads(text)["resourceTypes"]))

asyncio.run(whole())
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the lab, and of the callback API that it runs, with what the page adds."""
    folder = tmp_path_factory.mktemp("project")
    for part in ("lab", "publisher", "runbook_lib"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "state").mkdir()
    (folder / ".tools").symlink_to(ROOT / ".tools")
    for name, content in FILE.findall(TEXT):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    for (name, place), line, imported in zip(PLACES.items(), LINES, IMPORTS, strict=True):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert text.count(place) == 1, name
        text = text.replace(place, f"{line}\n{place}").replace(
            "from lab.shared import", f"{imported}\nfrom lab.shared import"
        )
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.slow
def test_the_service_of_the_page_answers_refuses_and_is_in_the_journal(copy: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(copy / "state")],
        cwd=copy, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found, absent, refused, journal, *shown = done.stdout.splitlines()
    assert found == '200 {"key": "channel", "value": "stable"}'
    assert absent.rstrip() == "404"
    assert refused.startswith("401 ")
    assert journal == "[200, 404, 401]"
    assert shown == ["200 configurationStores"]
