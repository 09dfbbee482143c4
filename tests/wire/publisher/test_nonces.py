"""Nonces: each is good once, even after a restart, and is forgotten after its time."""

import concurrent.futures
import secrets
from functools import partial

from publisher.callback_api.nonces import BATCH_ROWS, SWEEP_BUDGET_SECONDS, CallbackNonces
from publisher.callback_api.nonces import TABLE as NONCES
from runbook_lib.basics.clock import rfc3339
from tests.support.callback_api import Api
from tests.support.fake_clock import FakeClock


def test_of_two_processes_one_accepts_a_nonce_and_a_restart_forgets_none(api: Api) -> None:
    api.lab.control("POST", "/publisher-api", {"processes": 2})
    key = api.key()
    assert [api.report(key).status_code for _ in range(2)] == [200, 200]
    rounds = [api.signed(key) for _ in range(8)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for fields in rounds:
            statuses = [answer.status_code for answer in pool.map(api.post, [fields] * 4)]
            assert sorted(statuses) == [200, 401, 401, 401]
    pids = [one["pid"] for one in api.lab.control("GET", "/publisher-api")["running"]]
    api.lab.control("POST", "/publisher-api/restart", {"kill": True})
    assert [api.post(fields).status_code for fields in rounds] == [401] * len(rounds)
    again = [one["pid"] for one in api.lab.control("GET", "/publisher-api")["running"]]
    assert len(again) == 2
    assert not set(again) & set(pids)


def test_nonces_that_have_had_their_time_are_forgotten(api: Api) -> None:
    tables, clock = api.side.clients.table_service, FakeClock()
    nonces = CallbackNonces(tables, new_claim=partial(secrets.token_hex, 8), clock=clock)
    now = clock.now().timestamp()

    def spend(nonce: str, until: float) -> bool:
        return nonces.spend(key_id="hmac-live", nonce=nonce, until=until)

    assert spend("first", now + 1000)
    for key_id, count in (("hmac-a", 10), ("hmac-b", 1)):
        for batch in range(count):
            rows = [
                {"PartitionKey": key_id, "RowKey": f"{batch}-{number}", "until": rfc3339(clock.now())}
                for number in range(BATCH_ROWS)
            ]
            tables.get_table_client(NONCES).submit_transaction([("create", row) for row in rows])
    clock.advance(10)
    assert spend("too soon to look", now + 1000)
    assert len(api.rows(NONCES)) == 1102
    clock.advance(60)
    assert spend("second", now + 1000)
    assert len(api.rows(NONCES)) == 103
    clock.advance(60)
    assert not spend("second", now + 1000)
    assert sorted(row["RowKey"] for row in api.rows(NONCES)) == ["first", "second", "too soon to look"]
    # If the sweep fails, no request fails.
    api.lab.fault("status", status=403, match={"service": "table", "method": "GET", "path": NONCES})
    clock.advance(60)
    assert spend("third", now + 1000)


class SlowClock(FakeClock):
    """A clock on which everything takes longer than a sweep may take."""

    def monotonic(self) -> float:
        self.advance(SWEEP_BUDGET_SECONDS + 0.5)
        return super().monotonic()


def test_no_request_waits_long_for_nonces_to_be_forgotten(api: Api) -> None:
    tables, clock = api.side.clients.table_service, SlowClock()
    nonces = CallbackNonces(tables, new_claim=partial(secrets.token_hex, 8), clock=clock)
    until = clock.now().timestamp() + 1000
    assert nonces.spend(key_id="hmac-live", nonce="first", until=until)
    for batch in range(3):
        rows = [
            {"PartitionKey": "hmac-a", "RowKey": f"{batch}-{number}", "until": rfc3339(clock.now())}
            for number in range(BATCH_ROWS)
        ]
        tables.get_table_client(NONCES).submit_transaction([("create", row) for row in rows])
    left = []
    for _ in range(3):
        clock.advance(60)
        assert not nonces.spend(key_id="hmac-live", nonce="first", until=until)
        left.append(len(api.rows(NONCES)) - 1)
    assert left == [200, 100, 0]
