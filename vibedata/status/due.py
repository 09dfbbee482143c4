"""Find out what is due next at an instance: rotations to finish, credentials and releases that expire. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from vibedata.status.facts import OF_ROTATION, UNUSABLE, StatusFacts

# How many things a person wants to see at once.
MAX_DUE = 4


@dataclass(frozen=True, slots=True)
class Due:
    """What is due, and when."""

    at: datetime
    text: str


def due_next(facts: StatusFacts) -> tuple[Due, ...]:
    """Return at most MAX_DUE things that are due next, the earliest first.

    Nothing overdue is here. The verdict has a note about an overdue rotation and about an expired credential.
    """
    coming = (each for each in _all(facts) if each.at > facts.at)
    return tuple(sorted(coming, key=lambda each: (each.at, each.text)))[:MAX_DUE]


def _all(facts: StatusFacts) -> Iterator[Due]:
    for rotation in facts.rotations:
        if rotation.finish_after is not None:
            words = f"the rotation of {rotation.secret} may be finished: `vibedata rotate --due{facts.option}`"
            yield Due(rotation.finish_after, words)
    for credential in facts.credentials:
        if credential.expires is not None and credential.state not in OF_ROTATION | UNUSABLE:
            yield Due(credential.expires, f"{credential.id} expires")
    if facts.release is not None and facts.release.expires is not None:
        words = f"the manifest of release {facts.release.version} expires; what is installed stays in use"
        yield Due(facts.release.expires, words)
