"""The network retry policy, seen from the server: how often each client's request arrives, and how far apart."""

import socket
from dataclasses import replace

import pytest
import requests
from azure.core.exceptions import AzureError, HttpResponseError

from runbook_lib.network.requests_retry import send
from runbook_lib.network.retry import AnswerLost, NetworkRetryPolicy, may_have_been_carried_out
from tests.support.every_client import (
    BODY,
    IN_RANGE,
    REPEATED,
    Operation,
    World,
    _get_blob,
    every_operation,
    not_repeated,
    repeated,
    world_of,
)
from tests.support.scripted_server import Answer, Reset, ScriptedServer, json_answer


def _fails(operation: Operation, world: World) -> BaseException:
    """Run an operation that fails. `requests` returns the last answer, and the SDKs raise."""
    with pytest.raises((AzureError, requests.RequestException)) as caught:
        answer = operation.run(world)
        if isinstance(answer, requests.Response):
            answer.raise_for_status()
    return caught.value


@repeated
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_passing_failure_is_retried_three_times_two_seconds_apart(
    operation: Operation, world: World, status: int
) -> None:
    world.server.play(*[Answer(status=status)] * 3, operation.good)
    operation.run(world)
    assert world.server.methods == [operation.method] * 4
    assert world.clock.slept == [2, 2, 2]


@every_operation
def test_the_fourth_failure_is_the_last(operation: Operation, world: World) -> None:
    world.server.play(*[Answer(status=429)] * 5)
    _fails(operation, world)
    assert world.server.methods == [operation.method] * 4
    assert world.clock.slept == [2, 2, 2]


@every_operation
def test_every_attempt_carries_the_whole_request(operation: Operation, world: World) -> None:
    world.server.play(Answer(status=429), operation.good)
    operation.run(world)
    first, second = world.server.requests
    assert (first.method, first.path, first.body) == (second.method, second.path, second.body)


@every_operation
def test_retry_after_is_honoured(operation: Operation, world: World) -> None:
    world.server.play(
        Answer(status=429, headers={"Retry-After": "7"}),
        Answer(status=503, headers={"Retry-After": "Mon, 23 Nov 2026 10:00:27 GMT"}),
        operation.good,
    )
    operation.run(world)
    assert world.clock.slept == [7, 20]


@every_operation
def test_nothing_waits_past_the_total_time(operation: Operation, world: World) -> None:
    world.server.play(Answer(status=429, headers={"Retry-After": "100"}), *[Answer(status=429)] * 3)
    world.policy = replace(world.policy, total_seconds=101)
    _fails(operation, world)
    assert world.server.methods == [operation.method] * 2
    assert world.clock.slept == [100]


@every_operation
def test_the_policy_is_read_at_each_request(operation: Operation, world: World) -> None:
    world.server.play(operation.good)
    operation.run(world)
    world.policy = NetworkRetryPolicy(max_retries=1, delay_seconds=5)
    world.server.play(*[Answer(status=429)] * 3)
    _fails(operation, world)
    assert world.server.methods == [operation.method] * 3
    assert world.clock.slept == [5]


@repeated
def test_a_broken_connection_is_tried_again(operation: Operation, world: World) -> None:
    world.server.play(Reset(), Reset(), operation.good)
    operation.run(world)
    assert world.server.methods == [operation.method] * 3
    assert world.clock.slept == [2, 2]


@pytest.mark.parametrize("operation", [each for each in REPEATED if each.good.body], ids=str)
def test_an_answer_that_breaks_off_is_fetched_again(operation: Operation, world: World) -> None:
    world.server.play(replace(operation.good, cut_at=len(operation.good.body) // 2), operation.good)
    operation.run(world)
    assert world.server.methods == [operation.method] * 2
    assert world.clock.slept == [2]


@not_repeated
def test_a_lost_answer_to_a_write_is_reported_and_not_repeated(operation: Operation, world: World) -> None:
    world.server.play(Reset(), operation.good)
    assert isinstance(_fails(operation, world), AnswerLost)
    assert world.server.methods == [operation.method]
    assert world.clock.slept == []


@not_repeated
@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_a_write_that_may_have_been_carried_out_is_not_repeated(
    operation: Operation, world: World, status: int
) -> None:
    world.server.play(Answer(status=status), operation.good)
    assert may_have_been_carried_out(_fails(operation, world))
    assert world.server.methods == [operation.method]


@not_repeated
def test_a_write_that_was_refused_for_good_was_not_carried_out(operation: Operation, world: World) -> None:
    world.server.play(Answer(status=403), operation.good)
    assert not may_have_been_carried_out(_fails(operation, world))


@not_repeated
def test_a_refused_write_is_repeated(operation: Operation, world: World) -> None:
    world.server.play(Answer(status=429), Answer(status=503, headers={"Retry-After": "3"}), operation.good)
    operation.run(world)
    assert world.server.methods == [operation.method] * 3
    assert world.clock.slept == [2, 3]


def test_an_sdk_operation_can_be_marked_as_repeatable(world: World) -> None:
    world.server.play(Reset(), Answer(status=500), Answer(status=204))
    world.clients.logs_ingestion.upload("dcr-" + "0" * 32, "Custom-T", [{"a": 1}], repeatable=True)
    assert world.server.methods == ["POST"] * 3


@every_operation
def test_what_was_never_sent_is_sent_again_whatever_it_is(operation: Operation, server: ScriptedServer) -> None:
    with socket.socket() as reserved:  # bound and not listening: connections are refused
        reserved.bind(("127.0.0.1", 0))
        world = world_of(server, f"https://127.0.0.1:{reserved.getsockname()[1]}")
        if operation.name.startswith("requests"):
            with pytest.raises(requests.ConnectionError):
                send(
                    world.clients.session,
                    operation.method,
                    world.settings.arm_endpoint,
                    policy=world.policy,
                    clock=world.clock,
                )
        else:
            assert not isinstance(_fails(operation, world), AnswerLost)
        assert world.clock.slept == [2, 2, 2]


@every_operation
def test_a_final_answer_is_not_retried(operation: Operation, world: World) -> None:
    world.server.play(json_answer({"error": {"code": "No", "message": "no"}}, status=403), operation.good)
    failure = _fails(operation, world)
    assert world.server.methods == [operation.method]
    assert isinstance(failure, (HttpResponseError, requests.HTTPError))
    assert failure.response is not None and failure.response.status_code == 403


@every_operation
def test_a_gateways_page_is_an_error_with_its_status(operation: Operation, world: World) -> None:
    world.server.play(Answer(status=418, headers={"Content-Type": "text/html"}, body=b"<html>"))
    failure = _fails(operation, world)
    assert isinstance(failure, (HttpResponseError, requests.HTTPError))
    assert failure.response is not None and failure.response.status_code == 418


def test_a_large_blob_is_read_in_ranges_and_each_is_retried(world: World) -> None:
    size = 4 * 1024 * 1024
    blob = bytes(range(256)) * (size // 256) + BODY
    first, second = (
        replace(IN_RANGE, body=part, headers={**IN_RANGE.headers, "Content-Range": f"bytes {start}-{end}/{len(blob)}"})
        for part, start, end in ((blob[:size], 0, size - 1), (blob[size:], size, len(blob) - 1))
    )
    world.server.play(replace(first, cut_at=1000), first, Answer(status=500), second)
    assert _get_blob(world) == blob
    assert len(world.server.requests) == 4
