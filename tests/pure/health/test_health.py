from collections.abc import Iterator, Mapping, Sequence
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.component_registry.health_states import HEALTH_STATES
from runbook_lib.health.columns import health_row, needs, own_health, recorded_health, target_of
from runbook_lib.health.rules import Health, HealthPolicy, Observation, OwnHealth, next_own_health, roll_up, transitions
from runbook_lib.release.model import HealthState

ANSWERS, FAILS, DOWN = Observation("answers"), Observation("fails", "no answer"), Observation("down", "gone")
IMPAIRED, UNPROBED = Observation("impaired", "Updating"), Observation("unprobed", "no probe")
NOT_REACHED = Observation("not_reached", "no time")
DEFAULT = HealthPolicy()

policies = st.builds(
    lambda degraded, more, healthy: HealthPolicy(
        failures_to_degraded=degraded, failures_to_unhealthy=degraded + more, successes_to_healthy=healthy
    ),
    st.integers(1, 4),
    st.integers(0, 4),
    st.integers(1, 5),
)
histories = st.lists(st.sampled_from([ANSWERS, FAILS, DOWN, IMPAIRED, UNPROBED, NOT_REACHED]), max_size=30)
NAMES = tuple("abcdef")
graphs = st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from([*NAMES, "elsewhere"]), max_size=4))
owns = st.dictionaries(st.sampled_from(NAMES), st.builds(OwnHealth, st.sampled_from(HEALTH_STATES)))


def after(history: Sequence[Observation], policy: HealthPolicy = DEFAULT) -> OwnHealth:
    return reduce(lambda own, seen: next_own_health(own, seen, policy), history, OwnHealth())


def states(*history: Observation) -> list[HealthState]:
    return [after(history[: number + 1]).state for number in range(len(history))]


def test_an_outage_from_its_first_failure_to_its_end() -> None:
    assert states(ANSWERS, FAILS, FAILS, FAILS, ANSWERS, ANSWERS) == [
        "healthy",
        "degraded",
        "degraded",
        "unhealthy",
        "unhealthy",
        "healthy",
    ]
    assert after([ANSWERS, FAILS, FAILS]).reason == "no answer (2 in a row)"
    assert after([*[FAILS] * 3, ANSWERS]).reason == "answers again (1 of 2 good checks in a row)"


def test_what_is_certain_waits_for_nothing() -> None:
    assert states(ANSWERS, DOWN) == ["healthy", "unhealthy"]
    assert states(ANSWERS, IMPAIRED, ANSWERS, ANSWERS) == ["healthy", "degraded", "degraded", "healthy"]


@given(history=histories, policy=policies)
def test_so_many_failures_in_a_row_are_an_outage_whatever_was_before(
    history: list[Observation], policy: HealthPolicy
) -> None:
    assert after([*history, *[FAILS] * policy.failures_to_unhealthy], policy).state == "unhealthy"


@given(history=histories, policy=policies)
def test_so_many_answers_in_a_row_are_health_whatever_was_before(
    history: list[Observation], policy: HealthPolicy
) -> None:
    assert after([*history, *[ANSWERS] * policy.successes_to_healthy], policy).state == "healthy"


@given(history=histories, policy=policies)
def test_fewer_failures_are_no_outage_of_what_was_healthy(history: list[Observation], policy: HealthPolicy) -> None:
    healthy = [*history, *[ANSWERS] * policy.successes_to_healthy]
    for failures in range(1, policy.failures_to_unhealthy):
        own = after([*healthy, *[FAILS] * failures], policy)
        assert own.state == ("healthy" if failures < policy.failures_to_degraded else "degraded")
        assert own.streak == -failures


@given(history=histories, policy=policies)
def test_a_failure_never_makes_better_and_an_answer_never_makes_worse(
    history: list[Observation], policy: HealthPolicy
) -> None:
    order = ("healthy", "unknown", "degraded", "unhealthy")
    before = after(history, policy)
    assert order.index(next_own_health(before, FAILS, policy).state) >= order.index(before.state)
    assert order.index(next_own_health(before, ANSWERS, policy).state) <= order.index(before.state)


@given(history=histories, policy=policies)
def test_what_was_not_looked_at_is_as_it_was(history: list[Observation], policy: HealthPolicy) -> None:
    before = after(history, policy)
    now = next_own_health(before, NOT_REACHED, policy)
    assert (now.state, now.streak) == (before.state, before.streak)


def reachable(start: str, graph: Mapping[str, Sequence[str]]) -> set[str]:
    met: set[str] = set()
    waiting = list(graph.get(start, ()))
    while waiting:
        name = waiting.pop()
        if name not in met:
            met.add(name)
            waiting += graph.get(name, ())
    return met - {start}


@given(own=owns, graph=graphs)
def test_only_the_well_suffer_and_only_from_the_unhealthy(
    own: dict[str, OwnHealth], graph: dict[str, list[str]]
) -> None:
    rolled = roll_up(own, graph)
    assert rolled.keys() == own.keys()
    # A dependency that is not a component has no effect.
    known = {name: [need for need in needed if need in own] for name, needed in graph.items()}
    for name, health in rolled.items():
        assert health.own == own[name]
        sick = {need for need in reachable(name, known) if own[need].state == "unhealthy"}
        if sick and own[name].state in ("healthy", "unknown"):
            assert health.state == "degraded"
            assert any(health.reason.startswith(f"depends on {need}, which is unhealthy") for need in sick)
        else:
            assert health.state == own[name].state


def test_a_reason_names_the_nearest_cause_and_the_way_to_it() -> None:
    own = {name: OwnHealth("healthy") for name in ("panel", "service", "gateway")} | {"gateway": OwnHealth("unhealthy")}
    rolled = roll_up(own, {"panel": ["service"], "service": ["gateway"], "gateway": ["panel"]})
    assert rolled["service"].reason == "depends on gateway, which is unhealthy"
    assert rolled["panel"].reason == "depends on gateway, which is unhealthy (through service)"
    assert rolled["gateway"].state == "unhealthy"


@given(own=owns, graph=graphs)
def test_no_unhealthy_need_is_nearer_than_the_one_in_the_reason(
    own: dict[str, OwnHealth], graph: dict[str, list[str]]
) -> None:
    for name, health in roll_up(own, graph).items():
        if not health.reason:
            continue
        met, near = {name}, {name}
        while sick := {need for need in near if own[need].state == "unhealthy"} or near:
            if sick is not near:
                break
            near = {need for each in near for need in graph.get(each, ()) if need in own} - met
            met |= near
        assert any(health.reason.startswith(f"depends on {need}, which is unhealthy") for need in sick)


class CountedNeeds(tuple[str, ...]):
    reads = 0

    def __iter__(self) -> Iterator[str]:
        CountedNeeds.reads += 1
        return super().__iter__()


def test_each_list_of_needs_is_read_once_however_many_components_need_one_another() -> None:
    names = [f"c{number:03}" for number in range(100)]
    CountedNeeds.reads = 0
    rolled = roll_up({name: OwnHealth("healthy") for name in names}, {name: CountedNeeds(names) for name in names})
    assert CountedNeeds.reads == len(names)
    assert {health.state for health in rolled.values()} == {"healthy"}


def test_a_name_that_stands_many_times_counts_once() -> None:
    components = {f"p{number}/a": ("a",) * 1000 for number in range(20)}
    assert needs(components) == dict.fromkeys(components, tuple(components))


def test_what_is_only_degraded_troubles_nobody_else() -> None:
    assert roll_up({"a": OwnHealth("healthy"), "b": OwnHealth("degraded")}, {"a": ["b"]})["a"].state == "healthy"


@given(own=owns, graph=graphs, streak=st.integers(-(2**31), 2**31 - 1))
def test_what_is_recorded_is_where_the_next_check_goes_on(
    own: dict[str, OwnHealth], graph: dict[str, list[str]], streak: int
) -> None:
    counted = {name: OwnHealth(each.state, streak) for name, each in own.items()}
    for name, health in roll_up(counted, graph).items():
        row = health_row(f"application/{name}", health, "2026-11-23T10:00:00.000000Z")
        entity = {"PartitionKey": row.partition, "RowKey": row.name, **row.columns}
        assert target_of(entity) == f"application/{name}"
        assert recorded_health(entity) == health.state
        assert own_health(entity) == counted[name]


@given(
    health=st.one_of(st.none(), st.text(), st.integers(), st.sampled_from(HEALTH_STATES)),
    probed=st.one_of(st.none(), st.text(), st.booleans(), st.sampled_from(HEALTH_STATES)),
    streak=st.one_of(st.none(), st.text(), st.floats(), st.booleans(), st.integers()),
)
def test_whatever_stands_in_the_table_is_a_start(health: object, probed: object, streak: object) -> None:
    own = own_health({"health": health, "healthProbed": probed, "healthStreak": streak})
    assert own.state in HEALTH_STATES and type(own.streak) is int
    assert next_own_health(own, DOWN, DEFAULT).state == "unhealthy"


def test_changes_are_told_once_and_the_new_come_from_unknown() -> None:
    own = OwnHealth("healthy")
    now = {name: Health(state="healthy", reason="", own=own) for name in ("old", "new", "same")}
    told = transitions({"old": "unhealthy", "same": "healthy", "left": "healthy"}, now)
    assert [(each.target, each.before, each.after) for each in told] == [
        ("new", "unknown", "healthy"),
        ("old", "unhealthy", "healthy"),
    ]


def test_names_become_targets_and_strangers_none() -> None:
    assert needs({"application/a": ("b", "nobody"), "agent/b": (), "infrastructure/b": ("a",)}) == {
        "application/a": ("agent/b", "infrastructure/b"),
        "agent/b": (),
        "infrastructure/b": ("application/a",),
    }
