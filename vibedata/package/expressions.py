"""Parse the expressions of templates and of createUiDefinition: `[concat(parameters('a'), 'b')]`.

Source: learn azure-resource-manager/templates/template-expressions, and
azure-resource-manager/managed-applications/create-uidefinition-functions.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

# A real template has about twenty levels. A property of a property counts as a level.
_MAX_DEPTH = 100
# Azure Resource Manager's limit (learn azure-resource-manager/templates/best-practices, template limits).
MAX_CHARACTERS = 24_576
# A number of 64 bits has 19 digits, and a sign.
_MAX_DIGITS = 20
_TOO_DEEP = "it is nested too deeply"
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+)|(?P<name>[A-Za-z_]\w*)|(?P<sign>\.\?|\[\?|[()\[\],.]))"
)


class ExpressionError(Exception):
    """The text is not an expression. The message says why."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A text, a number, true, false or null."""

    value: str | int | bool | None


@dataclass(frozen=True, slots=True)
class Call:
    """A function and its arguments. The name of a user-defined function has a dot."""

    name: str
    arguments: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Member:
    """A property or an element of a value. `optional` is set for `.?name` and `[?index]`."""

    of: "Expression"
    key: "Expression"
    optional: bool = False


Expression = Literal | Call | Member
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}


def is_expression(text: str) -> bool:
    """Tell whether Azure evaluates a text. `[[` is an escaped bracket."""
    return text.startswith("[") and not text.startswith("[[") and text.endswith("]")


@lru_cache(maxsize=8192)
def parse(text: str) -> Expression:
    """Return the expression between the brackets. Raises ExpressionError."""
    if len(text) > MAX_CHARACTERS:
        raise ExpressionError(f"it has more than {MAX_CHARACTERS} characters")
    parser = _Parser(text[1:-1])
    found = parser.expression(0)
    parser.end()
    if any(depth > _MAX_DEPTH for depth, _ in _with_depths(found)):
        raise ExpressionError(_TOO_DEEP)
    return found


def parts(expression: Expression) -> Iterator[Expression]:
    """Yield an expression and each expression in it, the outer one first."""
    yield from (each for _, each in _with_depths(expression))


def _with_depths(expression: Expression) -> Iterator[tuple[int, Expression]]:
    waiting = [(0, expression)]
    while waiting:
        depth, each = waiting.pop()
        yield depth, each
        inner: tuple[Expression, ...] = ()
        if isinstance(each, Call):
            inner = each.arguments
        elif isinstance(each, Member):
            inner = (each.of, each.key)
        waiting += [(depth + 1, one) for one in reversed(inner)]


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = list(self._split(text))
        self._next = 0

    @staticmethod
    def _split(text: str) -> Iterator[tuple[str, str]]:
        position = 0
        while text[position:].strip():
            found = _TOKEN.match(text, position)
            if found is None:
                raise ExpressionError(f"it cannot be read at {text[position:].strip()[:20]!r}")
            yield str(found.lastgroup), found[str(found.lastgroup)]
            position = found.end()

    def expression(self, depth: int) -> Expression:
        """Read one expression."""
        if depth > _MAX_DEPTH:
            raise ExpressionError(_TOO_DEEP)
        found = self._primary(depth)
        while True:
            sign = self._peek()
            if sign in (".", ".?"):
                self._take()
                found = Member(found, Literal(self._name()), optional=sign == ".?")
            elif sign in ("[", "[?"):
                self._take()
                found = Member(found, self.expression(depth + 1), optional=sign == "[?")
                self._expect("]")
            else:
                return found

    def end(self) -> None:
        """Raise ExpressionError if more text follows."""
        if self._next < len(self._tokens):
            raise ExpressionError(f"it does not end before {self._tokens[self._next][1]!r}")

    def _primary(self, depth: int) -> Expression:
        if self._next == len(self._tokens):
            raise ExpressionError("it ends too early")
        kind, word = self._take()
        if kind == "text":
            return Literal(word[1:-1].replace("''", "'"))
        if kind == "number":
            if len(word) > _MAX_DIGITS:
                raise ExpressionError(f"a number has more than {_MAX_DIGITS} digits")
            return Literal(int(word))
        if kind == "name":
            return self._named(word, depth)
        raise ExpressionError(f"it has {word!r} where a value is expected")

    def _named(self, word: str, depth: int) -> Expression:
        # namespace.function(...) is a user-defined function.
        if self._peek() == "." and self._peek(2) == "(":
            self._take()
            word = f"{word}.{self._name()}"
        if self._peek() != "(" and word in _WORDS:
            return Literal(_WORDS[word])
        self._expect("(")
        arguments: list[Expression] = []
        while self._peek() != ")":
            if arguments:
                self._expect(",")
            arguments.append(self.expression(depth + 1))
        self._take()
        return Call(word, tuple(arguments))

    def _peek(self, ahead: int = 0) -> str | None:
        place = self._next + ahead
        if place >= len(self._tokens) or (not ahead and self._tokens[place][0] != "sign"):
            return None
        return self._tokens[place][1]

    def _take(self) -> tuple[str, str]:
        if self._next == len(self._tokens):
            raise ExpressionError("it ends too early")
        self._next += 1
        return self._tokens[self._next - 1]

    def _expect(self, sign: str) -> None:
        kind, word = self._take()
        if kind != "sign" or word != sign:
            raise ExpressionError(f"it has {word!r} where {sign!r} is expected")

    def _name(self) -> str:
        kind, word = self._take()
        if kind != "name":
            raise ExpressionError(f"it has {word!r} where a name is expected")
        return word
