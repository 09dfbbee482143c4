"""Vibedata's applications, healthy and ill, as any HTTPS client sees them."""

import http.client
import socket
import ssl
import time
from urllib.parse import urlsplit

import pytest
import requests

from tests.support.running_lab import LabUnderTest


def url(lab: LabUnderTest, name: str) -> str:
    found = lab.control("GET", "/applications")["applications"]
    return str(next(one for one in found if one["name"] == name)["url"])


def make(lab: LabUnderTest, name: str, mode: str, **fields: object) -> None:
    assert lab.control("POST", "/applications", {"name": name, "mode": mode, **fields})["mode"] == mode


def get(address: str, path: str = "/healthz", *, seconds: float = 60.0, stream: bool = False) -> requests.Response:
    """Ask an application. `seconds` is the limit for each part of its answer. Connecting may take a minute."""
    return requests.get(address + path, timeout=(60, seconds), allow_redirects=False, stream=stream)


def test_each_application_has_a_port_of_its_own_and_is_well(lab: LabUnderTest) -> None:
    found = lab.control("GET", "/applications")["applications"]
    assert len(found) == 14
    assert len({one["url"] for one in found}) == 14
    for one in found:
        assert get(one["url"]).json() == {"application": one["name"], "status": "ok"}
        assert get(one["url"], "/elsewhere").status_code == 404


def test_the_journal_and_faults_tell_applications_apart(lab: LabUnderTest) -> None:
    studio, metering = url(lab, "studio"), url(lab, "metering")
    lab.fault("status", status=502, match={"service": "application", "path": "^/studio/"})
    assert [get(metering).status_code, get(studio).status_code, get(studio).status_code] == [200, 502, 200]
    paths = [(one["path"], one["status"]) for one in lab.journal(service="application")]
    assert paths == [("/metering/healthz", 200), ("/studio/healthz", 502), ("/studio/healthz", 200)]
    lab.latency(service="application", path="^/studio/", seconds=30)
    with pytest.raises(requests.ReadTimeout):
        get(studio, seconds=2.0)
    assert get(metering).status_code == 200


def test_status_redirects_and_the_way_back(lab: LabUnderTest) -> None:
    studio = url(lab, "studio")
    make(lab, "studio", "status")
    assert get(studio).status_code == 503
    make(lab, "studio", "status", status=404)
    assert get(studio).status_code == 404
    make(lab, "studio", "redirect_loop")
    answer = get(studio, "/healthz?a=1")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/healthz?a=1")
    with pytest.raises(requests.TooManyRedirects):
        requests.get(f"{studio}/healthz", timeout=60)
    make(lab, "studio", "redirect", location="https://192.0.2.1/")
    assert get(studio).headers["Location"] == "https://192.0.2.1/"
    assert get(url(lab, "metering")).status_code == 200
    lab.reset()
    assert get(studio).status_code == 200


def test_slow_answers_late_and_hang_never(lab: LabUnderTest) -> None:
    studio = url(lab, "studio")
    make(lab, "studio", "slow", seconds=0.3)
    begun = time.monotonic()
    assert get(studio).status_code == 200
    assert time.monotonic() - begun >= 0.3
    for mode in ("slow", "hang"):
        make(lab, "studio", mode)
        with pytest.raises(requests.ReadTimeout):
            get(studio, seconds=2.0)


def test_a_change_of_mode_ends_waiting_requests(lab: LabUnderTest) -> None:
    address = urlsplit(url(lab, "studio"))
    make(lab, "studio", "hang")
    connection = http.client.HTTPSConnection(
        str(address.hostname), address.port, timeout=30, context=ssl.create_default_context()
    )
    connection.request("GET", "/healthz")
    lab.reset()
    with pytest.raises(OSError):
        connection.getresponse()
    connection.close()


def test_drip_gives_one_byte_after_the_other_headers_and_all(lab: LabUnderTest) -> None:
    studio = url(lab, "studio")
    make(lab, "studio", "drip", seconds=0.002)
    with get(studio, stream=True) as answer:
        assert answer.status_code == 200
        assert answer.raw.read(5) == b"....."
    # No single read takes long, so a timeout for reads never ends it.
    make(lab, "studio", "drip", seconds=0.2)
    address = urlsplit(studio)
    context = ssl.create_default_context()
    with (
        socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=60) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert [connection.recv(100) for _ in range(4)] == [b"H", b"T", b"T", b"P"]


def test_huge_is_three_gibibytes(lab: LabUnderTest) -> None:
    make(lab, "studio", "huge")
    with get(url(lab, "studio"), stream=True) as answer:
        assert int(answer.headers["Content-Length"]) == 3 * 1024**3
        assert len(answer.raw.read(1_000_000)) == 1_000_000


def test_a_certificate_that_nobody_trusts(lab: LabUnderTest) -> None:
    studio = url(lab, "studio")
    with requests.Session() as session:
        assert session.get(f"{studio}/healthz", timeout=60).status_code == 200
        make(lab, "studio", "bad_certificate")
        with pytest.raises(requests.exceptions.SSLError):
            session.get(f"{studio}/healthz", timeout=60)
        make(lab, "studio", "healthy")
        assert session.get(f"{studio}/healthz", timeout=60).status_code == 200


def test_closed_refuses_the_connection_and_opens_again_at_its_port(lab: LabUnderTest) -> None:
    studio = url(lab, "studio")
    for _ in range(3):
        make(lab, "studio", "closed")
        with pytest.raises(requests.ConnectionError) as raised:
            get(studio)
        assert "Connection refused" in str(raised.value)
        lab.reset()
        assert get(studio).status_code == 200


def test_what_is_not_understood_is_refused(lab: LabUnderTest) -> None:
    refused: tuple[object, ...] = (
        [],
        {"name": "nobody", "mode": "hang"},
        {"name": "studio"},
        {"name": "studio", "mode": "ill"},
        {"name": "studio", "mode": "hang", "times": 1},
        {"name": "studio", "mode": "status", "status": 99},
        {"name": "studio", "mode": "slow", "seconds": True},
        {"name": "studio", "mode": "redirect"},
        {"name": "studio", "mode": "hang", "location": "https://x"},
    )
    for body in refused:
        lab.control("POST", "/applications", body, status=400)
    assert requests.get(f"{lab.env['VIBEDATA_LAB_CONTROL']}/nothing", timeout=60).status_code == 404
