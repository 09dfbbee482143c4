"""The moments of a step at which a deployment is killed, named so that a name means the same in each run.

How many requests came before depends on the machine: some look again and again until something is done. So a moment is
named by the request alone: its service, its method, its path without what is new each time, and its count among those
of the step that are alike. Pure.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.proofs.run import is_write

# What is new in each run, or with each version of something else; the longest first.
PARTS: tuple[tuple[str, str], ...] = (
    ("{id}", r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    ("{digest}", r"[0-9a-f]{64}"),
    ("{version}", r"[0-9a-f]{32}"),
    ("{key}", r"\b[0-9a-f]{16}\b"),
    ("{packages}", r"(?<=vibedata-)[0-9a-f]{12}\b"),
    ("{time}", r"\d{4}-?\d\d-?\d\dT[0-9:.%A-]+Z?"),
    ("{number}", r"\d{8,}(?:\.\d+)*"),
)
PART = re.compile("|".join(re.escape(name) for name, _ in PARTS))
# What tells apart the requests on one blob.
COMPONENT = re.compile(r"[?&]comp=([a-z]+)")
# The command's own, the same in every step: its lock, and what it tells the publisher.
COMMANDS_OWN = re.compile(r"^/vibedatapublisher/(?:deployments|InstanceReports|Tables)\b|^/vibedatastorage/locks\b")


@dataclass(frozen=True, slots=True, order=True)
class Request:
    """Requests that are alike. path: with PARTS instead of what is new each time, and its `comp`, if it has one."""

    service: str
    method: str
    path: str

    def __str__(self) -> str:
        """Return what people read: `blob PUT /account/locks/deployment?comp=lease`."""
        return f"{self.service} {self.method} {self.path}"

    def match(self) -> Mapping[str, object]:
        """Return which requests a fault of the lab is for, so that they are these."""
        path, _, component = self.path.partition("?comp=")
        texts, names = PART.split(path), PART.findall(path)
        patterns = dict(PARTS)
        pattern = re.escape(texts[0])
        for name, text in zip(names, texts[1:], strict=True):
            pattern += f"(?:{patterns[name]}){re.escape(text)}"
        asked = rf"\?(?:.*&)?comp={component}(?:&|$)" if component else r"(?:\?(?!(?:.*&)?comp=)|$)"
        return {"service": self.service, "method": self.method, "path": f"^{pattern}{asked}", "deployment": True}


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """The end of a step's `count`th request of this kind, from 1."""

    request: Request
    count: int

    def __str__(self) -> str:
        """Return its name."""
        return f"{self.request} {self.count}"


def moment_of(name: str) -> Moment:
    """Return the moment of a name. Raises ValueError."""
    service, method, rest = name.split(" ", 2)
    path, _, count = rest.rpartition(" ")
    return Moment(Request(service, method, path), int(count))


def request_of(entry: Mapping[str, Any]) -> Request:
    """Return what a journal's entry is one of."""
    path = str(entry["path"])
    component = COMPONENT.search(path)
    path = path.partition("?")[0]
    for name, pattern in PARTS:
        path = re.sub(pattern, name, path)
    return Request(entry["service"], entry["method"], path + (f"?comp={component[1]}" if component else ""))


def requests_of(entries: Iterable[Mapping[str, Any]]) -> list[Request]:
    """Return each kind of request once, in order."""
    return sorted({request_of(entry) for entry in entries})


def moments(entries: Iterable[Mapping[str, Any]], *, with_commands_own: bool) -> list[Moment]:
    """Return a step's moments, in order: after every write, and after the first of those reads that are alike.

    A read leaves nothing behind: the end of the next one is the same moment, unless something was written between, and
    that is a moment of its own. with_commands_own: also after the command's own requests, which every step makes.
    """
    found = set()
    counts: Counter[Request] = Counter()
    for entry in entries:
        request = request_of(entry)
        counts[request] += 1
        if (counts[request] == 1 or is_write(entry)) and (with_commands_own or not COMMANDS_OWN.search(request.path)):
            found.add(Moment(request, counts[request]))
    return sorted(found)
