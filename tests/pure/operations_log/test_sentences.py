"""Each row of the log has a sentence that an administrator understands."""

import pytest

from runbook_lib.change import Change, Outcome, Result
from runbook_lib.errors import container_registry
from runbook_lib.operations_log import sentences

DIGEST = "sha256:" + "033fe64a" + "0" * 56
IMAGE = Change(1, "import", "vibedata/studio:1.0.0", None, DIGEST)
REFUSED = container_registry.TOKEN_REFUSED.error("401", target="acr")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (IMAGE, "Imported vibedata/studio:1.0.0, digest 033fe64a…."),
        (Change(1, "create", "table Components", None, "there"), "Created table Components."),
        (
            Change(1, "set", "variable vibedata-settings", None, DIGEST[:23]),
            "Set variable vibedata-settings: " + DIGEST[:23],
        ),
        (Change(1, "keep", "wheel x", None, DIGEST), "Kept wheel x, digest 033fe64a…."),
        (Change(1, "try", "runbook check_health", None, "ready"), "Tried runbook check_health: ready."),
        (Change(1, "store", f"blob {'a' * 64}.json", None, "3 bytes"), "Stored blob digest aaaaaaaa….json: 3 bytes."),
    ],
)
def test_what_was_done_is_told_in_the_past(change: Change, sentence: str) -> None:
    assert sentences.ended(Result(change=change, outcome="done", observed=change.after)).startswith(sentence)


def test_what_is_planned_is_told_with_both_states() -> None:
    assert sentences.planned(IMAGE) == "Will import vibedata/studio:1.0.0. Before: nothing. After: digest 033fe64a…."


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("failed", ("Could not import vibedata/studio:1.0.0: ", REFUSED.message)),
        ("replaced", ("Could not import vibedata/studio:1.0.0, and tries another way: ", REFUSED.message)),
        ("skipped", ("Did not import vibedata/studio:1.0.0, because an earlier change failed",)),
    ],
)
def test_what_was_not_done_is_told_with_its_reason(outcome: Outcome, words: tuple[str, ...]) -> None:
    error = None if outcome == "skipped" else REFUSED
    told = sentences.ended(Result(change=IMAGE, outcome=outcome, error=error))
    assert told.startswith("".join(words))


@pytest.mark.parametrize(
    ("verb", "past"), [("import", "imported"), ("create", "created"), ("verify", "verified"), ("keep", "kept")]
)
def test_verbs_have_their_past(verb: str, past: str) -> None:
    assert sentences.past(verb) == past
