"""The tokens of a Bicep file. A new line is a token, because it separates members of objects and arrays."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"(?P<space>[ \t\r]+|//[^\n]*|/\*[\s\S]*?\*/)"
    r"|(?P<newline>\n)"
    r"|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<number>\d+)"
    r"|(?P<quote>')"
    r"|(?P<operator>=>|==|=~|!=|!~|<=|>=|&&|\|\||\?\?|\.\?|\.\.\.|::|[-+*/%<>!?:=.,()\[\]{}@|])"
)
# The largest code of a character, and the codes that stand for half a character (The Unicode Standard, 3.8 and 3.9).
_MAX_CODE = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)
TOO_DEEP = "the expressions are nested too deeply"
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'", "$": "$"}


class UnreadableError(Exception):
    """The text is not Bicep, or not the part of Bicep that the template uses. `line` says where."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Token:
    """A token.

    Attributes:
        kind: name, number, text, newline, operator or end.
        text: The text of the token.
        line: The line, from 1.
        parts: For a text, its texts and the tokens of `${...}`.
    """

    kind: str
    text: str
    line: int
    parts: tuple["str | tuple[Token, ...]", ...] = ()


def tokens_of(text: str) -> tuple[Token, ...]:
    """Return the tokens. The last token has the kind end. Raises UnreadableError."""
    scanner = _Scanner(text)
    try:
        return (*scanner.scan(until=""), Token("end", "the end of the file", scanner.line))
    except RecursionError as error:
        raise UnreadableError(TOO_DEEP, scanner.line) from error


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self.line = 1

    def scan(self, *, until: str) -> Iterator[Token]:
        """Yield the tokens up to the end of the file.

        If `until` is given, stop before the first `until` that is outside of all inner braces.
        """
        depth = 0
        while self._at < len(self._text):
            found = _TOKEN.match(self._text, self._at)
            if found is None:
                raise UnreadableError(f"the character {self._text[self._at]!r} belongs nowhere", self.line)
            kind, text = str(found.lastgroup), found.group()
            if until and text == until and depth == 0:
                return
            depth += {"{": 1, "}": -1}.get(text, 0)
            line = self.line
            self._at = found.end()
            self.line += text.count("\n")
            if kind == "quote":
                yield Token("text", "a text", line, tuple(self._string()))
            elif kind != "space":
                yield Token(kind, text, line)
        if until:
            raise UnreadableError(f"{until!r} is missing", self.line)

    def _string(self) -> Iterator[str | tuple[Token, ...]]:
        """Yield the parts of the string whose opening quote has been read."""
        plain = ""
        while True:
            character = self._text[self._at : self._at + 1]
            if character in ("", "\n"):
                raise UnreadableError("a text has no end", self.line)
            self._at += 1
            if character == "'":
                break
            if character == "\\":
                plain += self._escape()
            elif character == "$" and self._text.startswith("{", self._at):
                self._at += 1
                yield plain
                plain = ""
                yield (*self.scan(until="}"), Token("end", "}", self.line))
                self._at += 1
            else:
                plain += character
        yield plain

    def _escape(self) -> str:
        character = self._text[self._at : self._at + 1]
        code = re.compile(r"u\{([0-9a-fA-F]+)\}").match(self._text, self._at)
        if code is not None:
            self._at = code.end()
            number = int(code[1], 16)
            if number > _MAX_CODE or number in _SURROGATES:
                raise UnreadableError("an escape \\u{...} names no character", self.line)
            return chr(number)
        if character not in _ESCAPES or not character:
            raise UnreadableError(f"\\{character} is no escape", self.line)
        self._at += 1
        return _ESCAPES[character]
