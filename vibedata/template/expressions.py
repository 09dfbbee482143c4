"""Read Bicep's expressions: operators by their precedence, as the compiler binds them."""

from vibedata.template.syntax import (
    Array,
    Call,
    Expression,
    Index,
    Item,
    Lambda,
    Literal,
    Loop,
    Member,
    Name,
    Object,
    Operation,
    Text,
)
from vibedata.template.tokens import Token, UnreadableError

# Binary operators. Those with the lowest precedence come first (learn azure-resource-manager/bicep/operators).
_PRECEDENCE = (("??",), ("||",), ("&&",), ("==", "!=", "=~", "!~"), ("<", "<=", ">", ">="), ("+", "-"), ("*", "/", "%"))
# These operators may begin a line.
_OVER_LINES = (("||",), ("&&",))
# The largest number of Bicep, 2**63 - 1, has 19 digits (learn azure-resource-manager/bicep/data-types).
MAX_DIGITS = 19
_CONSTANTS = {"true": True, "false": False, "null": None}


class Reader:
    """A row of tokens, and the place of the next token. The methods raise UnreadableError for an unexpected token."""

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def token(self) -> Token:
        """The next token."""
        return self._tokens[self._at]

    def next(self) -> Token:
        """Take the next token."""
        token = self.token
        if token.kind != "end":
            self._at += 1
        return token

    def has(self, *texts: str) -> bool:
        """Whether the next token is one of these operators or names."""
        return self.token.kind in ("operator", "name") and self.token.text in texts

    def take(self, *texts: str) -> Token | None:
        """Take the next token if it is one of these."""
        return self.next() if self.has(*texts) else None

    def need(self, text: str) -> Token:
        """Take the next token, which must be this operator or name."""
        if not self.has(text):
            raise self.unread(f"{text!r} is missing before {self.token.text!r}")
        return self.next()

    def need_kind(self, kind: str) -> Token:
        """Take the next token, which must be of this kind."""
        if self.token.kind != kind:
            raise self.unread(f"a {kind} is missing before {self.token.text!r}")
        return self.next()

    def unread(self, message: str) -> UnreadableError:
        """Return the error for an unexpected token here."""
        return UnreadableError(message, self.token.line)

    def skip_lines(self) -> None:
        """Skip separators."""
        while self.token.kind == "newline":
            self.next()

    def over_lines(self, *texts: str) -> bool:
        """Return whether the next token after new lines is one of these. If it is, skip the new lines."""
        at = self._at
        self.skip_lines()
        if self.has(*texts):
            return True
        self._at = at
        return False

    def expression(self) -> Expression:
        """Read an expression."""
        line = self.token.line
        found = self._binary(0)
        if self.over_lines("?"):
            self.need("?")
            self.skip_lines()
            yes = self.expression()
            self.over_lines(":")
            self.need(":")
            self.skip_lines()
            return Operation("?:", (found, yes, self.expression()), line)
        return found

    def _binary(self, level: int) -> Expression:
        if level == len(_PRECEDENCE):
            return self._unary()
        found = self._binary(level + 1)
        operators = _PRECEDENCE[level]
        while self.over_lines(*operators) if operators in _OVER_LINES else self.has(*operators):
            operator = self.next()
            self.skip_lines()
            found = Operation(operator.text, (found, self._binary(level + 1)), operator.line)
        return found

    def _unary(self) -> Expression:
        operator = self.take("!", "-")
        if operator is not None:
            return Operation(operator.text, (self._unary(),), operator.line)
        found = self._primary()
        while True:
            line = self.token.line
            if self.take("."):
                name = self.need_kind("name").text
                found = Call(name, self._arguments(), line, of=found) if self.has("(") else Member(found, name, line)
            elif self.take("["):
                found = Index(found, self.expression(), line)
                self.need("]")
            elif self.has(".?", "::"):
                raise self.unread(f"{self.token.text!r} is not used in this template")
            else:
                return found

    def _primary(self) -> Expression:
        token = self.token
        if token.kind == "text":
            self.next()
            return text_of(token)
        if token.kind == "number":
            return Literal(self._whole_number(), token.line)
        if token.kind == "name":
            return self._named()
        if self.has("["):
            return self._array()
        if self.has("{"):
            return self.object()
        if self.has("("):
            return self._parenthesis()
        raise self.unread(f"a value is missing before {token.text!r}")

    def _whole_number(self) -> int:
        digits = self.token.text
        if len(digits) > MAX_DIGITS:
            raise self.unread(f"a number has at most {MAX_DIGITS} digits")
        return int(self.next().text)

    def _named(self) -> Expression:
        token = self.next()
        if token.text in _CONSTANTS:
            return Literal(_CONSTANTS[token.text], token.line)
        if self.has("("):
            return Call(token.text, self._arguments(), token.line)
        if self.take("=>"):
            return Lambda((token.text,), self.expression(), token.line)
        return Name(token.text, token.line)

    def _parenthesis(self) -> Expression:
        line = self.need("(").line
        self.skip_lines()
        inner = self.expression()
        names = [inner.name] if isinstance(inner, Name) else []
        while names and self.take(","):
            names.append(self.need_kind("name").text)
        self.skip_lines()
        self.need(")")
        if names and self.take("=>"):
            return Lambda(tuple(names), self.expression(), line)
        if len(names) > 1:
            raise self.unread("'=>' is missing")
        return inner

    def _arguments(self) -> tuple[Expression, ...]:
        self.need("(")
        found: list[Expression] = []
        self.skip_lines()
        while not self.has(")"):
            found.append(self.expression())
            self.skip_lines()
            if not self.take(","):
                break
            self.skip_lines()
        self.need(")")
        return tuple(found)

    def _array(self) -> Expression:
        line = self.need("[").line
        if self.has("for"):
            return self._loop(line)
        items: list[Expression] = []
        self.skip_lines()
        while not self.has("]"):
            items.append(self.expression())
            if not self.take(",") and self.token.kind != "newline":
                break
            self.skip_lines()
        self.need("]")
        return Array(tuple(items), line)

    def _loop(self, line: int) -> Loop:
        self.need("for")
        if self.take("("):
            item = self.need_kind("name").text
            self.need(",")
            names: tuple[str, ...] = (item, self.need_kind("name").text)
            self.need(")")
        else:
            names = (self.need_kind("name").text,)
        self.need("in")
        over = self.expression()
        self.need(":")
        self.skip_lines()
        if self.has("if"):
            raise self.unread("a loop with a condition is not used in this template")
        body = self.expression()
        self.skip_lines()
        self.need("]")
        return Loop(names, over, body, line)

    def object(self) -> Object:
        """Read an object."""
        line = self.need("{").line
        items: list[Item] = []
        self.skip_lines()
        while not self.has("}"):
            token = self.token
            if token.kind not in ("text", "name"):
                raise self.unread(f"a key is missing before {token.text!r}")
            self.next()
            key = text_of(token) if token.kind == "text" else Text((token.text,), token.line)
            self.need(":")
            self.skip_lines()
            items.append(Item(key, self.expression(), token.line))
            if not self.take(",") and self.token.kind != "newline":
                break
            self.skip_lines()
        self.need("}")
        return Object(tuple(items), line)


def text_of(token: Token) -> Text:
    """Return the text that a token of kind text stands for."""
    parts: list[str | Expression] = []
    for part in token.parts:
        if isinstance(part, str):
            parts += [part] if part else []
            continue
        inner = Reader(part)
        parts.append(inner.expression())
        if inner.token.kind != "end":
            raise inner.unread(f"{inner.token.text!r} belongs nowhere")
    return Text(tuple(parts), token.line)
