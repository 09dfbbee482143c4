"""The types of a rule and of its findings. The rules themselves are in rules/."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from vibedata.package.contents import TEMPLATE, TYPES, Contents
from vibedata.package.located_json import Path
from vibedata.package.template import Scope, scopes


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that a rule finds: the file's name in the package, the path to the value, and the message."""

    name: str
    path: Path
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A fault in the form that people read. `line` is None for a file that is not JSON."""

    file: str
    line: int | None
    rule: str
    message: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. `source` says who demands it.

    `needs` are the parts of the package that the rule needs. The rule is not checked if one of them is missing.
    """

    name: str
    source: str
    remedy: str
    needs: frozenset[str]
    check: Callable[[Contents], Iterable[Fault]]

    def findings(self, contents: Contents) -> Iterator[Finding]:
        """Yield the findings of the rule, in the order of files and lines."""
        found = [(contents.place(fault.name, fault.path), fault.message) for fault in self.check(contents)]
        for (file, line), message in sorted(set(found), key=lambda each: (each[0][0], each[0][1] or 0, each[1])):
            yield Finding(file=file, line=line, rule=self.name, message=message, remedy=self.remedy)


def arm_ttk(name: str) -> str:
    """Return the source of a test of arm-ttk, Microsoft's toolkit for templates.

    `name` is the test's name, with dashes.
    """
    return f"Azure/arm-ttk, testcases/{name}.test.ps1"


def rule(
    name: str, *, source: str, remedy: str, needs: Iterable[str]
) -> Callable[[Callable[[Contents], Iterable[Fault]]], Rule]:
    """Make a rule from a function that looks at the whole package."""

    def made(check: Callable[[Contents], Iterable[Fault]]) -> Rule:
        return Rule(name=name, source=source, remedy=remedy, needs=frozenset(needs), check=check)

    return made


def template_rule(
    name: str, *, source: str, remedy: str, types: bool = False
) -> Callable[[Callable[[Scope, Contents], Iterable[Fault]]], Rule]:
    """Make a rule from a function that looks at one template.

    The function is called for the main template and for each nested template.

    `types` says whether the rule also needs Azure's type definitions.
    """

    def made(check: Callable[[Scope, Contents], Iterable[Fault]]) -> Rule:
        def check_all(contents: Contents) -> Iterator[Fault]:
            for scope in scopes(contents.documents[TEMPLATE]):
                yield from check(scope, contents)

        needs = frozenset({TEMPLATE, TYPES} if types else {TEMPLATE})
        return Rule(name=name, source=source, remedy=remedy, needs=needs, check=check_all)

    return made
