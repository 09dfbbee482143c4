"""The actions in a container registry's access token. No content of a token causes an exception."""

import base64

import pytest

from vibedata.release.validation import _actions

ALLOWED = '{"access": [{"actions": ["pull"]}, {"actions": ["metadata_read"]}]}'


def token(payload: str) -> str:
    return f"head.{base64.urlsafe_b64encode(payload.encode()).decode().rstrip('=')}.signature"


def test_actions_of_all_repositories_count() -> None:
    assert _actions(token(ALLOWED)) == {"pull", "metadata_read"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "opaque",
        "a.b.c",
        "a.\u00e9.c",
        token("[" * 100_000),
        token('{"access": null}'),
        token('{"access": ["pull"]}'),
        token('{"access": [{"actions": [["pull"]]}]}'),
    ],
)
def test_a_token_of_another_form_says_nothing(text: str) -> None:
    assert _actions(text) == frozenset()
