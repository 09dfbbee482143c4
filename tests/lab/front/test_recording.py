"""A recording has each request and its answer whole, and no secret."""

import asyncio
import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from aiohttp import web
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.test_utils import make_mocked_request
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import KeyClient, KeyCurveName
from azure.keyvault.keys.crypto import CryptographyClient, SignatureAlgorithm
from azure.keyvault.secrets import SecretClient

from lab.front.journal import Journal
from lab.front.recording import Recording, masked
from tests.support import running_lab
from tests.support.oci_client import identity_token
from tests.support.running_lab import LabUnderTest
from vibedata import lab_process

PROJECT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recording")


@pytest.fixture(scope="module")
def recorded(folder: Path) -> Iterator[LabUnderTest]:
    """A lab that `vibedata lab up --record` has started."""
    command = [sys.executable, "-m", "vibedata.cli", "lab", "up", "--detach"]
    directory = folder / "lab"
    subprocess.run(
        [*command, "--dir", str(directory), "--record", str(folder / "seen")], cwd=PROJECT, check=True, timeout=120
    )
    try:
        running = lab_process.find(directory)
        assert running is not None
        yield LabUnderTest(env=running.environment, directory=directory, pid=running.pid)
    finally:
        lab_process.stop(directory)


@pytest.fixture
def pointed(recorded: LabUnderTest, monkeypatch: pytest.MonkeyPatch) -> LabUnderTest:
    for name in running_lab.FOREIGN:
        monkeypatch.delenv(name, raising=False)
    for name, value in recorded.env.items():
        monkeypatch.setenv(name, value)
    return recorded


@pytest.fixture
def credential(pointed: LabUnderTest) -> Iterator[ManagedIdentityCredential]:
    with ManagedIdentityCredential(client_id=pointed.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential:
        yield credential


def records(folder: Path) -> list[dict[str, Any]]:
    (path,) = (folder / "seen").glob("*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def newest(folder: Path, **wanted: object) -> dict[str, Any]:
    return [one for one in records(folder) if all(one[name] == value for name, value in wanted.items())][-1]


def test_a_request_and_its_answer_are_whole(
    pointed: LabUnderTest, folder: Path, credential: ManagedIdentityCredential
) -> None:
    (folder / "seen" / "current_test").write_text("a test's name")
    SecretClient(pointed.env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential).set_secret("whole", "a value", tags={"a": "b"})
    one = newest(folder, service="key_vault", method="PUT")
    assert one["test"] == "a test's name"
    assert one["path"].startswith("/secrets/whole?api-version=")
    assert one["fault"] is None and one["job"] is None and one["client"].startswith("azsdk-python-keyvault-secrets")
    assert json.loads(one["request"]["body"]["text"])["tags"] == {"a": "b"}
    assert one["response"]["status"] == 200
    assert ["Content-Type", "application/json; charset=utf-8"] in one["response"]["headers"]
    assert json.loads(one["response"]["body"]["text"])["tags"] == {"a": "b"}


def test_no_secret_is_recorded(pointed: LabUnderTest, folder: Path, credential: ManagedIdentityCredential) -> None:
    names, vault = pointed.control("GET", "/names"), pointed.env["VIBEDATA_KEY_VAULT_ENDPOINT"]
    secrets, keys = SecretClient(vault, credential), KeyClient(vault, credential)
    secrets.set_secret("kept", "a very secret value")
    assert secrets.get_secret("kept").value == "a very secret value"
    key = keys.create_ec_key("signer", curve=KeyCurveName.p_256)
    signed = CryptographyClient(key, credential).sign(SignatureAlgorithm.es256, bytes(32)).signature
    form = {
        "grant_type": "client_credentials",
        "client_id": names["operator_client_id"],
        "client_secret": names["operator_client_secret"],
        "scope": "https://management.azure.com/.default",
    }
    authority = pointed.control("GET", "/status")["services"]["entra"]
    answer = requests.post(f"{authority}/{names['tenant_id']}/oauth2/v2.0/token", data=form, timeout=60)
    token = answer.json()["access_token"]
    group = f"/subscriptions/{names['publisher_subscription_id']}/resourceGroups/{names['publisher_resource_group']}"
    registry = f"{group}/providers/Microsoft.ContainerRegistry/registries/{names['publisher_registry']}"
    made = requests.post(
        f"{pointed.env['VIBEDATA_ARM_ENDPOINT']}{registry}/generateCredentials?api-version=2025-11-01",
        json={"tokenId": f"{registry}/tokens/{names['publisher_token_username']}"},
        headers={"Authorization": f"Bearer {token}"},
        timeout=60,
    )
    passwords = [one["value"] for one in made.json()["passwords"]]
    host, user, password = (
        pointed.env[f"VIBEDATA_PUBLISHER_REGISTRY{part}"] for part in ("", "_USERNAME", "_PASSWORD")
    )
    question = f"https://{host}/oauth2/token?service={host}&scope=repository:a:pull"
    access = requests.get(question, auth=(user, password), timeout=60).json()["access_token"]
    signature = "aVerySecretSignature%2B1="
    blob = f"{pointed.env['VIBEDATA_BLOB_ENDPOINT']}a/b?sv=2024-11-04&sp=r&sig={signature}"
    requests.get(blob, timeout=60)

    (path,) = (folder / "seen").glob("*.jsonl")
    text = path.read_text()
    sought = [
        "a very secret value",
        names["operator_client_secret"],
        names["publisher_token_password"],
        password,
        token,
        access,
        signature,
        pointed.env["IDENTITY_HEADER"],
        requests.auth._basic_auth_str(user, password).partition(" ")[2],
        *passwords,
    ]
    assert signed and made.status_code == 200
    assert [one for one in sought if one in text] == []
    shown = newest(folder, service="arm", method="POST")["response"]["body"]["text"]
    assert [one["value"] for one in json.loads(shown)["passwords"]] == ["***", "***"]
    assert path.stat().st_mode & 0o077 == 0


def test_gzip_is_unpacked_and_what_is_no_text_is_counted(pointed: LabUnderTest, folder: Path) -> None:
    token = identity_token(pointed, "https://vault.azure.net")
    headers = {"Authorization": f"Bearer {token}"}
    vault = pointed.env["VIBEDATA_KEY_VAULT_ENDPOINT"]
    requests.put(f"{vault}/secrets/binary?api-version=7.4", data=b"\xff\xfe", headers=headers, timeout=60)
    assert newest(folder, service="key_vault", method="PUT")["request"]["body"] == {"base64": "//4=", "bytes": 2}

    headers = {"Authorization": f"Bearer {identity_token(pointed, 'https://monitor.azure.com')}"}
    stream = f"dataCollectionRules/{pointed.env['VIBEDATA_DCR_ID']}/streams/Custom-VibeData_Operations_CL"
    packed = gzip.compress(b'[{"password": "that one"}]')
    requests.post(
        f"{pointed.env['VIBEDATA_LOGS_ENDPOINT']}/{stream}?api-version=2023-01-01",
        data=packed,
        headers={**headers, "Content-Encoding": "gzip", "Content-Type": "application/json"},
        timeout=60,
    )
    assert newest(folder, service="logs", method="POST")["request"]["body"] == {"text": '[{"password": "***"}]'}


def test_it_ends_at_its_size(tmp_path: Path) -> None:
    recording = Recording(tmp_path, max_bytes=700)
    entry = Journal().begin(
        at=0.0, service="arm", method="GET", path="/", api_version="", client="a client", job_id=None
    )
    request = make_mocked_request("GET", "/", payload=EMPTY_PAYLOAD)
    for _ in range(10):
        asyncio.run(recording.add(request, entry, web.Response(text="{}")))
    recording.close()
    lines = next(tmp_path.glob("*.jsonl")).read_text().splitlines()
    assert 0 < len(lines) < 10 and all(json.loads(line)["service"] == "arm" for line in lines)


def test_an_answer_that_nobody_got_is_not_recorded(pointed: LabUnderTest, folder: Path) -> None:
    pointed.fault("reset_after", match={"service": "arm"})
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{pointed.env['VIBEDATA_ARM_ENDPOINT']}/subscriptions?api-version=2022-12-01", timeout=60)
    one = newest(folder, service="arm", fault="reset_after")
    assert one["response"] is None


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    command = lab_process.command(tmp_path / "lab", "--record", str(tmp_path / "a file"))
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert f"lab: nothing can be recorded in {tmp_path / 'a file'}: " in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("text", "private", "shown"),
    [
        ('{"value": [{"value": "s"}]}', True, '{"value": [{"value": "***"}]}'),
        ('{"value": "s"}', False, '{"value": "s"}'),
        ('{"credentials": {"Password": "s"}}', False, '{"credentials": {"Password": "***"}}'),
        ('{"uri": "https://a/b?sp=r&sig=abc%2F&se=1"}', False, '{"uri": "https://a/b?sp=r&sig=***&se=1"}'),
        ("<a>https://a/b?sp=r&amp;sig=abc&amp;se=1</a>", False, "<a>https://a/b?sp=r&amp;sig=***&amp;se=1</a>"),
        ("<UserDelegationKey><Value>s</Value></UserDelegationKey>", False, "<UserDelegationKey><Value>***</Value>"),
        ("x eyJhbGciOiJ.eyJhdWQiOiJ.c2ln y", False, "x *** y"),
        ('{"a":1,  "b":2}', False, '{"a":1,  "b":2}'),
    ],
)
def test_bodies_are_masked(text: str, private: bool, shown: str) -> None:
    assert masked(text, private=private).startswith(shown)
