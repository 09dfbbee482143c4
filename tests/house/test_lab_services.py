"""Each service of the lab has its folder and its line, and the service that docs/lab-services.md adds works."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab import main
from lab.resource_group.resources import API_VERSIONS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "lab-services.md").read_text(encoding="utf-8")
COMPOSITION_ROOT = "lab/main.py"
FILE = re.compile(r"^Write `([^`]+)`:\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
IMPORT, LINE = re.findall(r"^```text\n(.+)\n```$", TEXT, re.MULTILINE)
# The folders of the lab that are not services: the common way of all requests, the rights, the machine, and Resource
# Manager itself.
ROOMS = {"front", "authorization", "machine", "arm"}
# These folders may not know a service, because every service may use them.
SHARED = (
    "lab.shared",
    "lab.names",
    "lab.clock",
    "lab.tokens",
    "lab.state",
    "lab.control",
    "lab.real_servers",
    "lab.snapshots",
    "lab.front.",
    "lab.machine.",
)
PROGRAM = """
import asyncio, json, pathlib, sys
from lab import main
from lab.app_configuration.front import AUDIENCES
from lab.arm.access import ARM_AUDIENCES

async def asked(lab, service, path, token):
    async with lab.upstream.get(lab.urls[service] + path, headers={"Authorization": f"Bearer {token}"}) as answer:
        return answer.status, await answer.text()

async def read(lab, key, token):
    print(*await asked(lab, "app_configuration", f"/kv/{key}", token))

async def told_by_arm(lab, token):
    home = f"/subscriptions/{lab.names.subscription_id}"
    path = f"{home}/providers/Microsoft.AppConfiguration?api-version=2021-04-01"
    status, text = await asked(lab, "arm", path, token)
    print(status, *(kind["resourceType"] for kind in json.loads(text)["resourceTypes"]))
    group = f"{home}/resourceGroups/{lab.names.resource_group}"
    status, text = await asked(lab, "arm", f"{group}/resources?api-version=2021-04-01", token)
    stores = [one for one in json.loads(text)["value"] if one["type"].startswith("Microsoft.AppConfiguration/")]
    status, text = await asked(lab, "arm", f"{stores[0]['id']}?api-version=2024-05-01", token)
    print(status, json.loads(text)["properties"]["endpoint"] == lab.urls["app_configuration"])
    print((await asked(lab, "arm", f"{stores[0]['id']}x?api-version=2024-05-01", token))[0])

async def whole():
    async with main.running(pathlib.Path(sys.argv[1]), publisher_root=pathlib.Path.cwd()) as (lab, _):
        principal = lab.names.uami_principal_id
        token = lab.tokens.issue(AUDIENCES[0], principal)
        await read(lab, "channel", token)
        await read(lab, "other", token)
        await read(lab, "channel", "none")
        entries = lab.gate.journal.select(service="app_configuration", job_id=None, method=None, since=0)
        print([entry.status for entry in entries])
        print(AUDIENCES[0] in lab.audiences)
        await told_by_arm(lab, lab.tokens.issue(ARM_AUDIENCES[0], principal))

asyncio.run(whole())
"""


def services() -> set[str]:
    """Return the folders of the lab that are services."""
    folders = {file.parent.relative_to(ROOT / "lab").parts[0] for file in (ROOT / "lab").glob("*/**/*.py")}
    return folders - ROOMS


def imports(file: Path) -> set[str]:
    """Return the modules that a file imports, and the names that it imports from them."""
    nodes = [node for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.ImportFrom)]
    return {node.module or "" for node in nodes} | {
        f"{node.module}.{alias.name}" for node in nodes for alias in node.names
    }


def test_the_composition_root_has_one_line_for_each_service() -> None:
    assert sorted(service.start.__module__ for service in main.SERVICES) == sorted(
        f"lab.{name}.service" for name in services()
    )


def test_no_two_services_have_a_site_of_the_same_name() -> None:
    names = [main.CONTROL, main.ARM, *(name for service in main.SERVICES for name in service.sites)]
    assert sorted(names) == sorted(main.SITES)


def test_what_services_share_knows_no_service() -> None:
    known = {
        (module, name)
        for file in sorted((ROOT / "lab").rglob("*.py"))
        if (module := ".".join(file.relative_to(ROOT).with_suffix("").parts)).startswith(SHARED)
        for name in imports(file)
        if name.startswith("lab.") and name.split(".")[1] in services()
    }
    assert known == set()


def test_no_service_knows_the_api_versions_of_anothers_type() -> None:
    """API_VERSIONS has the resource types for which the lab has no service. So no service's provider may name one."""
    of_others = {
        (file.parent.name, name)
        for file in sorted((ROOT / "lab").glob("*/provider.py"))
        if file.parent.name != "resource_group"
        for name in API_VERSIONS
        if f'"{name}"' in file.read_text(encoding="utf-8")
    }
    assert of_others == set()
    assert len(API_VERSIONS) > 10


def test_the_files_that_the_page_names_are_there() -> None:
    written = {name for name, _ in FILE.findall(TEXT)}
    named = set(re.findall(r"`((?:lab|tests|docs)/[^`]*\.(?:py|md))`", TEXT)) - written
    assert COMPOSITION_ROOT in named
    assert [name for name in named if not (ROOT / name).is_file()] == []


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the lab, and of the callback API that it runs, with the page's additions."""
    folder = tmp_path_factory.mktemp("project")
    for part in ("lab", "publisher", "runbook_lib"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "state").mkdir()
    (folder / ".tools").symlink_to(ROOT / ".tools")
    for name, content in FILE.findall(TEXT):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    text = (ROOT / COMPOSITION_ROOT).read_text(encoding="utf-8")
    for line, before in ((IMPORT, "from lab.automation import service"), (LINE, "    entra.SERVICE,")):
        assert text.count(before) == 1, before
        text = text.replace(before, f"{line}\n{before}")
    (folder / COMPOSITION_ROOT).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.slow
def test_the_service_of_the_page_answers_refuses_and_is_shown(copy: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(copy / "state")],
        cwd=copy, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found, absent, refused, journal, audience, *shown = done.stdout.splitlines()
    assert found == '200 {"key": "channel", "value": "stable"}'
    assert absent.rstrip() == "404"
    assert refused.startswith("401 ")
    assert journal == "[200, 404, 401]"
    assert audience == "True"
    assert shown == ["200 configurationStores", "200 True", "404"]
