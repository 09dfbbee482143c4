"""The plan of an issuance, for every state of the record and every answer of the authority."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import get_args

import pytest

from publisher.certificates import times
from publisher.certificates.limits import Attempt
from publisher.certificates.plan import Facts, IssuanceRequest, OrderStatus, after, next_step, preview
from publisher.certificates.record import Issuance
from publisher.rotation.plan import Step
from runbook_lib.basics.clock import rfc3339
from runbook_lib.errors import RunbookError
from runbook_lib.network.retry import TOTAL_SECONDS
from runbook_lib.tls_certificate.versions import STATES

NOW = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
HOST = "k3v9x2p7.vibedata.ai"
AT, EARLIER, LATER = rfc3339(NOW), rfc3339(NOW - 10 * HOUR), rfc3339(NOW + 10 * HOUR)
BLANK = Issuance(instance_id="k3v9x2p7", number=1, rotation_id="r", host=HOST, started_at=EARLIER)
NEW = replace(BLANK, number=2, rotation_id="n")
ISSUED = replace(
    BLANK,
    chain="c",
    certificate_id="a.b",
    not_before=rfc3339(NOW - 24 * HOUR),
    not_after=rfc3339(NOW + 89 * 24 * HOUR),
    installed_at=EARLIER,
    customer="retired",
)
OVER = replace(ISSUED, ended_at=EARLIER, ask_after=LATER)
DUE = replace(OVER, not_before=rfc3339(NOW - 70 * 24 * HOUR), not_after=rfc3339(NOW + 20 * 24 * HOUR))
ASKED = IssuanceRequest()


def facts(newest: Issuance | None, **fields: object) -> Facts:
    return replace(Facts(now=NOW, newest=newest, new=NEW), **fields)  # type: ignore[arg-type]


def actions(step: Step) -> list[str]:
    return [change.action for change in step.plan.changes]


def every() -> Iterator[tuple[IssuanceRequest, Facts]]:
    """Every combination of an open issuance's state, a request, and the authority's answer."""
    for customer, order, chain, challenge, failures, claimed, wait, overtaken, status, driven in itertools.product(
        STATES,
        ("", "https://ca.example/order/1"),
        ("", "chain"),
        ("", "value"),
        (0, 1, 4),
        ("", AT, EARLIER),
        ("", LATER, EARLIER),
        (False, True),
        get_args(OrderStatus),
        ("", "r", "other"),
    ):
        failed_at = AT if failures else ""
        issuance = replace(
            BLANK, customer=customer, order=order, chain=chain, challenge=challenge, failures=failures,
            failed_at=failed_at, claimed_at=claimed, wait_until=wait, overtaken=overtaken,
        )  # fmt: skip
        yield ASKED, facts(issuance, status=status, driven=driven)


def test_every_state_has_one_next_step_that_keeps_the_rules() -> None:
    count = 0
    for request, seen in every():
        count += 1
        issuance = seen.newest
        assert issuance is not None
        if seen.driven == "other":
            with pytest.raises(RunbookError) as caught:
                next_step(request, seen)
            assert caught.value.code == "VD-ROTATION-034"
            continue
        step = next_step(request, seen)
        made = actions(step)
        assert made or step.wait_until is not None, "an open issuance is never silently over"
        assert step.wait_until is None or (step.wait_until > NOW and not made)
        if made == ["begin"]:
            assert issuance.overtaken and not seen.driven
            continue
        if "order" in made:
            assert not issuance.order and not issuance.chain and issuance.customer == "prepared"
            assert not issuance.failures and issuance.claimed_at != AT and issuance.wait_until != LATER
        if {"publish", "answer", "finalize"} & set(made):
            assert issuance.order and not issuance.chain and not issuance.failures
        if "answer" in made:
            assert made == ["publish", "answer"], "the value is seen before the authority is asked to look"
        if "install" in made:
            assert issuance.chain and issuance.customer == "prepared"
        if issuance.challenge and (issuance.chain or not issuance.order):
            assert made == ["clean"], "what is left in the zone goes first"
        for change in step.plan.changes:
            after(change, seen)
    assert count > 20_000


@pytest.mark.slow
def test_every_state_has_a_forecast_that_ends() -> None:
    for request, seen in every():
        issuance = seen.newest
        assert issuance is not None
        # A run drives each open issuance, unless another one follows it.
        if seen.driven == "other" or bool(seen.driven) == issuance.overtaken:
            continue
        planned = [(change.action, change.target) for change in preview(request, seen).changes]
        assert planned and planned[-1][0] in ("test", "end")
        assert len({*planned}) == len(planned)


def test_the_proof_of_a_former_order_and_its_own_are_removed_by_two_changes() -> None:
    left = facts(replace(BLANK, customer="prepared", challenge="value"), driven="r")
    cleaned = [change.target for change in preview(ASKED, left).changes if change.action == "clean"]
    assert cleaned == [f"former challenge record of {HOST}", f"challenge record of {HOST}"]


def test_a_claim_outlasts_the_sending_of_the_order() -> None:
    requests = 4  # for a nonce, for the order, a read and a write of the record
    assert timedelta(0) < times.SEND_TIME <= times.CLAIM_TIME - requests * timedelta(seconds=TOTAL_SECONDS)


def test_an_issuance_runs_through_in_the_one_order() -> None:
    seen = preview(ASKED, facts(None))
    assert [change.action for change in seen.changes] == [
        *("begin", "prepare", "order", "publish", "answer", "finalize", "clean", "install", "configure", "test", "end"),
    ]
    configured = preview(IssuanceRequest(configured=True), facts(None))
    assert [change.action for change in configured.changes][-3:] == ["install", "test", "end"]
    renewal = preview(ASKED, replace(facts(DUE), new=replace(NEW, known=True)))
    assert [change.action for change in renewal.changes][-4:] == ["install", "test", "retire", "end"]
    assert preview(ASKED, facts(OVER)).changes == ()
    assert preview(IssuanceRequest(now=True), facts(OVER)).changes[0].action == "begin"
    stopped = preview(IssuanceRequest(until_installed=True), facts(None))
    assert stopped.changes[-1].action == "install"


def test_a_certificate_is_renewed_when_it_is_due_and_not_before() -> None:
    waits = next_step(ASKED, facts(OVER))
    assert waits.wait_until == NOW + 10 * HOUR, "then it asks for the window again"
    assert actions(next_step(ASKED, facts(DUE))) == ["begin"]
    assert actions(next_step(IssuanceRequest(now=True), facts(OVER))) == ["begin"]
    assert actions(next_step(ASKED, facts(replace(OVER, host="old.vibedata.ai")))) == ["begin"]
    assert actions(next_step(ASKED, facts(replace(OVER, ask_after=EARLIER)))) == ["ask"]
    window = {"window_start": rfc3339(NOW - 2 * HOUR), "window_end": rfc3339(NOW - HOUR)}
    assert actions(next_step(ASKED, facts(replace(OVER, **window)))) == ["begin"]  # type: ignore[arg-type]
    assert next_step(ASKED, facts(OVER, driven="r")) == Step(), "this run has brought it"


@pytest.mark.parametrize("asked", ["", EARLIER])
def test_the_plan_asks_once_for_the_window_and_foresees_no_answer(asked: str) -> None:
    planned = preview(ASKED, facts(replace(OVER, ask_after=asked)))
    assert [change.action for change in planned.changes] == ["ask"]


def test_an_open_issuance_for_a_former_host_is_ended_and_another_one_begins() -> None:
    former = replace(BLANK, host="old.vibedata.ai", order="https://ca.example/order/1")
    for customer in STATES:
        seen = facts(replace(former, customer=customer), driven="r")
        assert actions(next_step(ASKED, seen)) == ["end"]
    proven = facts(replace(former, challenge="value"), driven="r")
    assert actions(next_step(ASKED, proven)) == ["clean"]
    assert [change.action for change in preview(ASKED, proven).changes][:4] == ["clean", "end", "begin", "prepare"]
    outside = replace(proven, elsewhere="the name is not in the zone")
    first, *others = preview(ASKED, outside).changes
    assert (first.action, first.after) == ("forget", "forgotten") and "not in the zone" in first.target
    assert [change.action for change in others][:3] == ["end", "begin", "prepare"]


def test_another_issuance_follows_one_whose_certificate_is_already_due() -> None:
    for customer in STATES:
        stuck = replace(DUE, customer=customer, ended_at="")
        assert actions(next_step(ASKED, facts(stuck))) == ["begin"]
        assert actions(next_step(ASKED, facts(stuck, driven="r"))) != ["begin"]


def test_another_issuance_follows_one_whose_certificate_the_vault_has_lost() -> None:
    lost = IssuanceRequest(lost=True, until_installed=True)
    assert actions(next_step(lost, facts(OVER))) == ["begin"]
    for customer in STATES:
        issuance = replace(BLANK, customer=customer)
        assert (actions(next_step(lost, facts(issuance))) == ["begin"]) is issuance.reached("installed")
    assert [change.action for change in preview(lost, facts(OVER)).changes][-2:] == ["clean", "install"]
    assert next_step(lost, facts(replace(ISSUED, customer="installed"), driven="r")) == Step(), "this run installed it"


def test_now_lets_another_issuance_follow_an_installed_one_and_continues_an_order() -> None:
    now = IssuanceRequest(now=True)
    for customer in STATES:
        for former in (replace(BLANK, customer=customer), replace(ISSUED, customer=customer, ended_at="")):
            begins = actions(next_step(now, facts(former))) == ["begin"]
            assert begins is former.reached("installed")
            assert actions(next_step(now, facts(former, driven="r"))) != ["begin"], "this run has begun it"
    # A run that was killed right after the installation is typed again: one request leads to one certificate.
    repeated = replace(ISSUED, customer="installed", ended_at="", installed_at=rfc3339(NOW - 0.9 * HOUR))
    assert actions(next_step(now, facts(repeated))) != ["begin"]
    assert actions(next_step(IssuanceRequest(lost=True), facts(repeated))) == ["begin"]
    waiting = replace(ISSUED, customer="tested", retire_after=LATER)
    planned = [change.action for change in preview(now, replace(facts(waiting), new=replace(NEW, known=True))).changes]
    assert planned[0] == "begin" and planned[-1] == "end" and planned.count("begin") == 1


def test_the_test_waits_until_the_gateway_has_read_the_vault() -> None:
    installed = replace(ISSUED, customer="installed", installed_at=AT)
    for known in (False, True):
        first = facts(replace(installed, known=known))
        assert actions(next_step(ASKED, first)) == ["configure", "test"], "it may not read the vault yet"
        assert actions(next_step(IssuanceRequest(configured=True), first)) == ["test"]
    renewed = next_step(ASKED, facts(replace(installed, retire_after=LATER)))
    assert renewed.wait_until == NOW + 4 * HOUR and not renewed.brief
    taken = replace(installed, retire_after=LATER, installed_at=EARLIER)
    assert actions(next_step(ASKED, facts(taken))) == ["test"]
    tested = replace(installed, customer="tested", retire_after=LATER)
    assert next_step(ASKED, facts(tested)).wait_until == NOW + 10 * HOUR
    assert actions(next_step(ASKED, facts(replace(tested, retire_after=EARLIER)))) == ["retire"]


def test_an_order_waits_for_a_claim_for_the_authority_and_for_the_limits() -> None:
    ready = replace(BLANK, customer="prepared")
    claimed = next_step(ASKED, facts(replace(ready, claimed_at=AT)))
    assert claimed.brief and claimed.wait_until == NOW + times.CLAIM_LOOK
    skewed = replace(ready, claimed_at=LATER)
    assert actions(next_step(ASKED, facts(skewed))) == ["order"], "a clock is wrong: nobody waits for hours"
    refused = next_step(ASKED, facts(replace(ready, wait_until=LATER)))
    assert refused.wait_until == NOW + 10 * HOUR and not refused.brief
    full = tuple(Attempt(host=f"{number}.example", ordered_at=NOW - HOUR) for number in range(50))
    limited = next_step(ASKED, facts(ready, attempts=full))
    assert limited.wait_until == NOW + timedelta(days=7) - HOUR and "at most 50" in limited.why
    assert actions(next_step(ASKED, facts(replace(ready, renews="a.b"), attempts=full))) == ["order"]
    assert actions(next_step(ASKED, facts(replace(ready, known=True), attempts=full))) == ["order"]
    failed = replace(ready, failures=3, failed_at=AT)
    assert next_step(ASKED, facts(failed)).wait_until == NOW + timedelta(minutes=100)
