"""The moments of a step at which a deployment is killed. A name means the same moment in each run.

The number of requests before a moment depends on the machine, because some requests are repeated until something is
done. So the name of a moment holds only its request: the service, the method, the path without the parts that are new
each time, and the count among similar requests of the step. Pure.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.proofs.run import is_write

# Parts that are new in each run, or with each version of something else. The longest part comes first.
PARTS: tuple[tuple[str, str], ...] = (
    # The ids of the lab's certificate authority. A look-behind of Python has one length, so there are several.
    ("{acme}", r"(?:(?<=/my-order/)|(?<=/authZ/)|(?<=/chalZ/)|(?<=/finalize-order/)|(?<=/certZ/))[\w-]+"),
    ("{id}", r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    ("{digest}", r"[0-9a-f]{64}"),
    ("{version}", r"[0-9a-f]{32}"),
    ("{key}", r"\b[0-9a-f]{16}\b"),
    ("{packages}", r"(?<=vibedata-)[0-9a-f]{12}\b"),
    ("{time}", r"\d{4}-?\d\d-?\d\dT[0-9:.%A-]+Z?"),
    ("{number}", r"\d{8,}(?:\.\d+)*"),
)
PART = re.compile("|".join(re.escape(name) for name, _ in PARTS))
# The parameter that distinguishes the requests on one blob.
COMPONENT = re.compile(r"[?&]comp=([a-z]+)")
# The requests that the command itself makes in every step: for its lock, and for its report to the publisher.
COMMANDS_OWN = re.compile(r"^/vibedatapublisher/(?:deployments|InstanceReports|Tables)\b|^/vibedatastorage/locks\b")


@dataclass(frozen=True, slots=True, order=True)
class Request:
    """A kind of similar requests. path: PARTS replace what is new each time; it includes `comp`, if there is one."""

    service: str
    method: str
    path: str

    def __str__(self) -> str:
        """Return it for people: `blob PUT /account/locks/deployment?comp=lease`."""
        return f"{self.service} {self.method} {self.path}"

    def match(self) -> Mapping[str, object]:
        """Return the match of a lab's fault that fits exactly these requests."""
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
    """The end of a step's `count`th request of this kind. The first is 1."""

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
    """Return the kind of request of a journal's entry."""
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
    """Return a step's moments, in order: after every write, and after the first of similar reads.

    A read changes nothing. So the end of the next read is the same moment, unless there was a write between them, and
    each write is a moment already. with_commands_own: also after the command's own requests, which every step makes.
    """
    found = set()
    counts: Counter[Request] = Counter()
    for entry in entries:
        request = request_of(entry)
        counts[request] += 1
        if (counts[request] == 1 or is_write(entry)) and (with_commands_own or not COMMANDS_OWN.search(request.path)):
            found.add(Moment(request, counts[request]))
    return sorted(found)
