"""Put a runbook and the library that it needs into one readable Python file. Pure: texts in, text out.

Every module is a raw string whose text begins at the start of a line. So the file reads like the modules one after the
other. The text of oci/bundling/loader.py makes the modules importable. Python compiles a module only when something
imports it. Some parts of the library's modules are left out: docstrings, comments, imports for type checkers, and the
errors and permissions that no module names. The reasons are in
docs/decisions/0040-a-built-runbook-holds-its-library-without-docstrings-and-comments.md.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from oci.bundling.closure import LIBRARY, RUNBOOKS, closure, not_bundled
from oci.bundling.comments import without_comments
from oci.bundling.docstrings import without_docstrings
from oci.bundling.type_imports import without_type_imports
from oci.bundling.unseen import first_unseen
from oci.bundling.unused_entries import without_unused_entries
from runbook_lib.errors import build

# "must be between 1 and 1048576 bytes" (docs/azure-facts.md#python-and-its-limits).
MAX_BYTES = 1024 * 1024
# The size that a runbook should stay below: half of the limit. The limit is known only from an error message of the
# portal, and growth must become visible long before an Automation account refuses a runbook. A test lets a runbook have
# at most four fifths of this size.
AIM_BYTES = MAX_BYTES // 2
# A chain holds several runbooks, and the library once:
# docs/decisions/0055-one-job-runs-the-customer-s-part-of-a-deployment.md.
CHAIN_AIM_BYTES = MAX_BYTES * 7 // 8
CHAIN_FILE = f"{LIBRARY}/chain.py"
VERSION_FILE = f"{LIBRARY}/version.py"
_VERSION = re.compile(r'^RUNBOOK_VERSION = "[^"\\\n]+"$', re.MULTILINE)
LOADER_FILE = "oci/bundling/loader.py"
# This is short, because the file has it once for each module: a runbook holds more than a hundred modules.
_RULE = "# " + "=" * 10
_HEADER = """\
# Vibedata runbook {name}, version {version}.
# Built by `vibedata build`, the same for anyone who builds the same commit: edit its sources, not this file.
# It holds the runbook, then the library modules that it needs, then the loader that makes them importable. Its packages
# are in the runtime environment. The library's docstrings and comments, its imports for type checkers, its unused
# errors and its unused permissions are left out. Their lines are empty: the line numbers of a traceback are those of
# the sources. The release's provenance names the commit that has them whole.
#
#   line  file
"""
_END = """

if __name__ == "__main__":
    install(SOURCES)
    from runbooks.{name} import RUNBOOK
    from runbook_lib.runbook import main

    sys.exit(main(RUNBOOK))
"""
# These characters are harmless: a text editor, a diff and a terminal show them as Python reads them.
_BLANKS = "\t\n\f"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A built runbook. `files` are the embedded files, in order.

    `foreign` are the modules that it imports from elsewhere.
    """

    name: str
    text: str
    files: tuple[str, ...]
    foreign: frozenset[str]

    @property
    def content(self) -> bytes:
        """The file's bytes."""
        return self.text.encode("utf-8")

    @property
    def aim_bytes(self) -> int:
        """The size in bytes that the file should stay below."""
        return CHAIN_AIM_BYTES if CHAIN_FILE in self.files else AIM_BYTES


def normalised(content: bytes, *, file: str) -> str:
    """Return a source file's text with LF line ends, as Python reads it.

    `file` is the name of the file in an error. Raises RunbookError VD-BUILD-002 if the file is not UTF-8 (or declares
    another encoding), if it has an invisible character, or if its last line has no end.
    """
    try:
        text = content.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise not_bundled(file, f"byte {error.start} is not UTF-8") from error
    if (place := first_unseen(text, allowed=_BLANKS)) is not None:
        line = text.count("\n", 0, place) + 1
        raise not_bundled(
            file, f"line {line} holds U+{ord(text[place]):04X}, which does not show; write it as an escape"
        )
    for comment in text.split("\n", 2)[:2]:  # PEP 263
        declared = re.match(r"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)", comment)
        if declared and declared[1].lower() not in {"utf-8", "utf8"}:
            raise not_bundled(file, f"it declares the encoding {declared[1]}")
    if text and not text.endswith("\n"):
        raise not_bundled(file, "its last line has no end")
    return text


def bundle(name: str, *, sources: Mapping[str, str], version: str) -> Bundle:
    """Return the built runbook `runbooks/<name>.py`.

    Args:
        name: The runbook's name.
        sources: The normalised texts of the runbook, of all modules that it may need, and of the loader, by file name
            such as `runbook_lib/network/retry.py`.
        version: The release's version. It replaces the project's version in runbook_lib/version.py.

    Raises:
        RunbookError: VD-BUILD-002 (syntax that the sandbox's Python does not know, no RUNBOOK, a missing library
            module, an import of a computed name), VD-BUILD-003 (over MAX_BYTES).
    """
    needed = closure(f"{RUNBOOKS}/{name}.py", sources)
    own, *library = needed.files
    texts = {own: sources[own]}
    texts |= {file: bare(_versioned(file, sources[file], version)) for file in library}
    texts = without_unused_entries(texts)
    text = _render(name, version=version, texts=texts, loader=sources[LOADER_FILE])
    if (size := len(text.encode())) > MAX_BYTES:
        raise build.RUNBOOK_TOO_LARGE.error(f"{size} bytes", target=name)
    return Bundle(name=name, text=text, files=needed.files, foreign=needed.foreign)


def bare(text: str) -> str:
    """Return a library module's text in the form in which a runbook embeds it."""
    return without_comments(without_type_imports(without_docstrings(text)))


def _versioned(file: str, text: str, version: str) -> str:
    if file != VERSION_FILE:
        return text
    text, count = _VERSION.subn(f'RUNBOOK_VERSION = "{version}"', text)
    if count != 1:
        raise not_bundled(file, 'it takes one line RUNBOOK_VERSION = "..."')
    return text


def _render(name: str, *, version: str, texts: Mapping[str, str], loader: str) -> str:
    parts = {file: _embedded(file, text) for file, text in texts.items()}
    header = _HEADER.format(name=name, version=version)
    lines, line = [], header.count("\n") + len(parts) + 4
    for file, part in parts.items():
        lines.append(f"# {line + 2:>6}  {file}\n")
        line += part.count("\n")
    return "".join(
        (
            header,
            *lines,
            "\nSOURCES: dict[str, str] = {}\n\n",
            *parts.values(),
            f"{_RULE}\n# Loader\n\n",
            loader,
            _END.format(name=name),
        )
    )


def _embedded(file: str, text: str) -> str:
    return f"{_RULE}\nSOURCES[{file!r}] = {literal(text)}[1:]\n\n"


def literal(text: str) -> str:
    """Return a Python literal of a line end and `text`, raw and triple-quoted if that is possible.

    A triple-quoted literal cannot hold its own three quotes. If `text` has both kinds of three quotes, the text is cut
    there, and several literals stand side by side. A piece that no raw literal can hold is written with escapes.
    """
    quote = next((quote for quote in ("'''", '"""') if quote not in text), "'''")
    first, *others = f"\n{text}".split(quote)
    pieces = [first, *(piece for other in others for piece in (quote, other))]
    written = [f"r{quote}{piece}{quote}" if _fits_raw(piece, quote) else repr(piece) for piece in pieces if piece]
    return written[0] if len(written) == 1 else f"({' '.join(written)})"


def _fits_raw(piece: str, quote: str) -> bool:
    return quote not in piece and not piece.endswith(("\\", quote[0]))
