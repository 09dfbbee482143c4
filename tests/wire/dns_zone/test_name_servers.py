"""Whether the zone's name servers serve a value: the lab's real server, and servers that answer badly."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from publisher.dns_zone.name_servers import NoAnswerError, look, values_at, wait_until_served
from publisher.dns_zone.txt_values import TxtValue, TxtValues
from runbook_lib.errors import RunbookError
from tests.support import dns_zone
from tests.support.runbook_run import QuickClock
from tests.support.running_lab import LabUnderTest

HOST = "k3v9x2p7.vibedata.ai"
Answer = Callable[[dns.message.Message], bytes]


@contextmanager
def name_server(answer: Answer) -> Iterator[str]:
    """Run a UDP server that answers each question with the bytes that `answer` returns. Yield its host:port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                question, sender = listening.recvfrom(4096)
                if not question:
                    return
                listening.sendto(answer(dns.message.from_wire(question)), sender)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{listening.getsockname()[1]}"
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", listening.getsockname())
            thread.join()


def answering(address: str, *, flags: int = dns.flags.AA, rcode: dns.rcode.Rcode = dns.rcode.NOERROR) -> Answer:
    def answer(question: dns.message.Message) -> bytes:
        made = dns.message.make_response(question)
        made.flags |= flags
        made.set_rcode(rcode)
        made.answer.append(dns.rrset.from_text(f"{HOST}.", 60, "IN", "A", address))
        return made.to_wire()

    return answer


def test_all_name_servers_have_to_serve_the_value() -> None:
    with name_server(answering("192.0.2.7")) as right, name_server(answering("192.0.2.8")) as wrong:
        assert look([right, right], HOST, "A", "192.0.2.7").served
        seen = look([right, wrong], HOST, "A", "192.0.2.7")
    assert not seen.served
    assert seen.missing == (f"{wrong}: it serves another value, or none",)


def test_a_zone_without_name_servers_serves_nothing() -> None:
    assert not look([], HOST, "A", "192.0.2.7").served


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (answering("192.0.2.7", flags=dns.flags.RA), "not authoritative"),
        (answering("192.0.2.7", rcode=dns.rcode.SERVFAIL), "SERVFAIL"),
        (answering("192.0.2.7", rcode=dns.rcode.REFUSED), "REFUSED"),
    ],
)
def test_an_answer_that_does_not_count_is_no_answer(answer: Answer, why: str) -> None:
    with name_server(answer) as server, pytest.raises(NoAnswerError, match=why):
        values_at(server, HOST, "A")


def test_a_name_server_that_does_not_answer_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("publisher.dns_zone.name_servers.ASK_SECONDS", 0.2)
    with name_server(lambda _: b"no message") as server:
        seen = look([server], HOST, "A", "192.0.2.7")
    assert seen.missing == (f"{server}: no answer within 0.2 s, asked 3 times",)


def test_a_question_whose_answer_is_lost_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("publisher.dns_zone.name_servers.ASK_SECONDS", 0.2)
    lost = [b"no message", b"no message"]
    right = answering("192.0.2.7")
    with name_server(lambda question: lost.pop() if lost else right(question)) as server:
        assert values_at(server, HOST, "A") == {"192.0.2.7"}
    assert not lost


def test_a_host_is_resolved_and_a_host_without_an_address_is_reported() -> None:
    with name_server(answering("192.0.2.7")) as server:
        port = server.partition(":")[2]
        assert look([f"ns1.example:{port}"], HOST, "A", "192.0.2.7", resolve=lambda _: "127.0.0.1").served

    def nowhere(host: str) -> str:
        raise NoAnswerError(f"{host} is not there")

    assert look(["ns1.example"], HOST, "A", "x", resolve=nowhere).missing == ("ns1.example: ns1.example is not there",)


def test_the_command_waits_until_a_change_is_served(lab: LabUnderTest) -> None:
    value = TxtValue(name="_acme-challenge.k3v9x2p7", value="late")
    with dns_zone.record_sets(lab) as zone:
        lab.latency(operation="dnsPropagation", seconds=1.0)
        TxtValues(zone).add(value)
        servers, host = zone.name_servers(), zone.zone.host(value.name)
        assert not look(servers, host, "TXT", value.value).served
        wait_until_served(servers, host, "TXT", value.value, clock=QuickClock())
        assert look(servers, host, "TXT", value.value).served
        with pytest.raises(RunbookError) as caught:
            wait_until_served(servers, host, "TXT", "never", clock=QuickClock(), seconds=5)
    assert caught.value.code == "VD-DNS-005"
