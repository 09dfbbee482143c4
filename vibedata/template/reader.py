"""Read Bicep files: only the part of the language that this template uses.

Managed applications do not accept template language 2.0. The rule template-language-2 refuses everything that makes the
compiler write that language. Source: Azure/bicep, src/Bicep.Core/Emit/EmitterSettings.cs.
"""

from pathlib import Path

from oci.files.reading import FileRefusedError, read_file
from vibedata.template.expressions import Reader, text_of
from vibedata.template.finding import Finding
from vibedata.template.syntax import Call, Declaration, Document, Expression, Loop, is_deeper
from vibedata.template.tokens import TOO_DEEP, UnreadableError, tokens_of

SYNTAX, LANGUAGE = "syntax", "template-language-2"
PLAIN_TYPES = ("string", "int", "bool", "object", "array")
# Declarations that the compiler writes with template language 2.0.
_NEWER = ("type", "func", "import", "extension", "provider", "assert", "test", "using", "extends")
# The template's largest file has about 16 KB.
MAX_FILE_BYTES = 256 * 1024
# The template has about ten levels. Each function that walks a tree of this depth has enough room on Python's stack.
MAX_DEPTH = 60
# Azure Resource Manager takes fewer: 256 parameters, 512 variables, 800 resources and 64 outputs.
MAX_DECLARATIONS = 2_000
ONE = "Use template language 1.0: managed applications take no other"


class _LanguageError(UnreadableError):
    """The text needs template language 2.0."""


def read_folder(folder: Path) -> tuple[tuple[Document, ...], tuple[Finding, ...]]:
    """Return the Bicep files below a folder, in the order of their names, and the faults of unreadable files."""
    documents: list[Document] = []
    findings: list[Finding] = []
    for path in sorted(folder.rglob("*.bicep")):
        read = _read_one(path, path.relative_to(folder).as_posix())
        if isinstance(read, Finding):
            findings.append(read)
        else:
            documents.append(read)
    return tuple(documents), tuple(findings)


def _read_one(path: Path, file: str) -> Document | Finding:
    try:
        content = read_file(path, max_bytes=MAX_FILE_BYTES)
        text = content.decode("utf-8")
    except FileRefusedError as error:
        return Finding(file=file, line=1, rule=SYNTAX, message=str(error), remedy="Put a Bicep file there")
    except UnicodeDecodeError as error:
        line = 1 + content.count(b"\n", 0, error.start)
        return Finding(file=file, line=line, rule=SYNTAX, message="it is not UTF-8", remedy="Write it in UTF-8")
    return read_text(text, file)


def read_text(text: str, file: str) -> Document | Finding:
    """Return the document in a text, or a finding that says why the text cannot be read."""
    try:
        return _document(Reader(tokens_of(text)), file)
    except _LanguageError as error:
        return Finding(file=file, line=error.line, rule=LANGUAGE, message=str(error), remedy=ONE)
    except UnreadableError as error:
        return Finding(
            file=file, line=error.line, rule=SYNTAX, message=str(error), remedy="Write it as the compiler reads it"
        )


def _document(reader: Reader, file: str) -> Document:
    try:
        return _Declarations(reader).document(file)
    except RecursionError as error:
        raise reader.unread(TOO_DEEP) from error


class _Declarations:
    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def document(self, file: str) -> Document:
        reader = self._reader
        found: list[Declaration] = []
        scope = "resourceGroup"
        reader.skip_lines()
        while reader.token.kind != "end":
            decorators = self._decorators()
            keyword = reader.need_kind("name")
            if keyword.text == "targetScope":
                reader.need("=")
                scope = text_of(reader.need_kind("text")).plain or ""
            elif keyword.text == "metadata":
                reader.need_kind("name")
                reader.need("=")
                reader.expression()
            else:
                found.append(self._shallow(keyword.text, keyword.line, decorators))
                if len(found) > MAX_DECLARATIONS:
                    raise UnreadableError(f"a file has at most {MAX_DECLARATIONS} declarations", keyword.line)
            if reader.token.kind not in ("newline", "end"):
                raise reader.unread(f"{reader.token.text!r} belongs nowhere")
            reader.skip_lines()
        return Document(file=file, scope=scope, declarations=tuple(found))

    def _decorators(self) -> tuple[Call, ...]:
        reader = self._reader
        found: list[Call] = []
        while reader.take("@"):
            call = reader.expression()
            if not isinstance(call, Call):
                raise reader.unread("a decorator is a call")
            found.append(call)
            reader.skip_lines()
        return tuple(found)

    def _shallow(self, kind: str, line: int, decorators: tuple[Call, ...]) -> Declaration:
        found = self._declaration(kind, line, decorators)
        over = None if found.loop is None else found.loop.over
        for top in (found.value, found.condition, over, *decorators):
            if top is not None and is_deeper(top, MAX_DEPTH):
                raise UnreadableError(TOO_DEEP, line)
        return found

    def _declaration(self, kind: str, line: int, decorators: tuple[Call, ...]) -> Declaration:
        if kind in ("resource", "module"):
            return self._deployed(kind, line, decorators)
        if kind in ("param", "output"):
            return self._typed(kind, line, decorators)
        if kind == "var":
            name = self._reader.need_kind("name").text
            if not self._reader.has("="):
                raise _LanguageError(f"variable {name} has a type", line)
            return self._valued(Declaration(kind=kind, name=name, line=line, decorators=decorators))
        if kind in _NEWER:
            raise _LanguageError(f"{kind!r} is a declaration of the newer language", line)
        raise UnreadableError(f"{kind!r} begins no declaration", line)

    def _typed(self, kind: str, line: int, decorators: tuple[Call, ...]) -> Declaration:
        reader = self._reader
        name = reader.need_kind("name").text
        plain = reader.token.kind == "name" and reader.token.text in PLAIN_TYPES
        type_name = reader.next().text if plain else ""
        if not plain or not (reader.has("=") or reader.token.kind in ("newline", "end")):
            raise _LanguageError(f"{kind} {name} has a type that is not one of {', '.join(PLAIN_TYPES)}", line)
        declared = Declaration(kind=kind, name=name, line=line, type=type_name, decorators=decorators)
        return self._valued(declared) if kind == "output" or reader.has("=") else declared

    def _valued(self, declared: Declaration) -> Declaration:
        self._reader.need("=")
        value = self._reader.expression()
        return Declaration(
            kind=declared.kind,
            name=declared.name,
            line=declared.line,
            type=declared.type,
            value=value,
            decorators=declared.decorators,
        )

    def _deployed(self, kind: str, line: int, decorators: tuple[Call, ...]) -> Declaration:
        reader = self._reader
        name = reader.need_kind("name").text
        type_name = text_of(reader.need_kind("text")).plain
        if type_name is None:
            raise reader.unread(f"the type of {name} is no plain text")
        existing = reader.take("existing") is not None
        reader.need("=")
        loop, value, condition = None, None, None
        if reader.has("["):
            found = reader.expression()
            if not isinstance(found, Loop):
                raise reader.unread(f"the body of {name} is no object")
            loop, value = found, found.body
        else:
            condition, value = self._conditional()
        return Declaration(
            kind=kind,
            name=name,
            line=line,
            type=type_name,
            value=value,
            existing=existing,
            condition=condition,
            loop=loop,
            decorators=decorators,
        )

    def _conditional(self) -> tuple[Expression | None, Expression]:
        condition = None
        if self._reader.take("if"):
            self._reader.need("(")
            condition = self._reader.expression()
            self._reader.need(")")
        return condition, self._reader.object()
