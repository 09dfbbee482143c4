"""Check that every symbol is defined, is used, and has the right type."""

from collections.abc import Collection, Iterator, Mapping

from vibedata.template import functions
from vibedata.template.finding import Finding
from vibedata.template.kinds import kind_of, module_of, output_of
from vibedata.template.syntax import (
    Call,
    Declaration,
    Document,
    Expression,
    Item,
    Lambda,
    Loop,
    Member,
    Name,
    Object,
    children,
    expressions_of,
    is_secret,
)
from vibedata.template.values import Place

UNKNOWN, UNUSED, TWICE, UNFIT, MODULE = "symbol", "unused", "symbol-twice", "type", "module"
DECORATORS = ("allowed", "batchSize", "description", "maxLength", "maxValue", "minLength", "minValue", "secure")
_FUNCTIONS = {*functions.PLAIN, *functions.of_place(Place()), *functions.IN_DEFAULTS, "getSecret"}


def check_symbols(documents: Mapping[str, Document], main: str) -> Iterator[Finding]:
    """Yield the faults in the symbols of all files, and the files that the template does not use."""
    used = _reached(documents, main)
    for file, document in documents.items():
        if file not in used:
            yield _finding(document, 1, UNUSED, f"no module of {main} is this file", "Use it, or delete it")
        yield from _check_document(document, documents)
    yield from _check_outputs(documents, used - {main})


def _check_outputs(documents: Mapping[str, Document], modules: Collection[str]) -> Iterator[Finding]:
    """Yield the outputs of the template's modules that no file takes."""
    taken = {
        (document.path_of(called), expression.name)
        for document in documents.values()
        for declared in document.declarations
        for expression in expressions_of(declared)
        if isinstance(expression, Member) and (called := module_of(expression, document)) is not None
    }
    for document in (documents[file] for file in modules if file in documents):
        for output in document.of_kind("output"):
            if (document.file, output.name) not in taken:
                yield _finding(document, output.line, UNUSED, f"no file takes output {output.name}", "Delete it")


def _check_document(document: Document, documents: Mapping[str, Document]) -> Iterator[Finding]:
    seen: set[tuple[str, bool]] = set()
    for declared in document.declarations:
        key = (declared.name, declared.kind == "output")
        if key in seen:
            yield _finding(document, declared.line, TWICE, f"{declared.name} is declared twice", "Rename one")
        seen.add(key)
    names: set[str] = set()
    for declared in document.declarations:
        for top in _tops(declared):
            yield from _check_names(top, document, frozenset(), names, default=declared.kind == "param")
        yield from _check_fit(declared, document, documents)
        for expression in expressions_of(declared):
            if isinstance(expression, Member):
                yield from _check_output(expression, document, documents)
        if declared.kind == "module":
            yield from _check_module(declared, document, documents)
    for declared in document.of_kind("param", "var", "resource"):
        if declared.name not in names and (declared.kind != "resource" or declared.existing):
            yield _finding(document, declared.line, UNUSED, f"{declared.name} is not used", "Use it, or delete it")


def _tops(declared: Declaration) -> tuple[Expression, ...]:
    if declared.loop is not None:
        return (declared.loop,)
    return tuple(each for each in (declared.value, declared.condition) if each is not None)


def _check_names(
    expression: Expression, document: Document, local: frozenset[str], used: set[str], *, default: bool
) -> Iterator[Finding]:
    if isinstance(expression, Name):
        used.add(expression.name)
        if expression.name not in local and document.get(expression.name) is None:
            message = f"nothing is named {expression.name}"
            yield _finding(document, expression.line, UNKNOWN, message, "Declare it, or correct the name")
    if isinstance(expression, Call):
        if expression.function not in _FUNCTIONS:
            message = f"there is no function {expression.function} here"
            remedy = "Correct the name, or add it to vibedata/template/functions.py"
            yield _finding(document, expression.line, UNKNOWN, message, remedy)
        elif expression.function in functions.IN_DEFAULTS and not default:
            message = f"{expression.function} stands outside of a parameter's default"
            yield _finding(document, expression.line, UNKNOWN, message, "Make it the default of a parameter")
    if isinstance(expression, Loop):
        yield from _check_names(expression.over, document, local, used, default=default)
    inner = local | set(expression.names) if isinstance(expression, Loop | Lambda) else local
    for child in (expression.body,) if isinstance(expression, Loop) else children(expression):
        yield from _check_names(child, document, inner, used, default=default)


def _check_fit(declared: Declaration, document: Document, documents: Mapping[str, Document]) -> Iterator[Finding]:
    if declared.kind not in ("param", "output") or declared.value is None:
        return
    found = kind_of(declared.value, document, documents)
    if found not in (None, declared.type):
        message = f"{declared.name} is of type {declared.type}, and its value is {found}"
        yield _finding(document, declared.line, UNFIT, message, "Change one of them")


def _check_output(member: Member, document: Document, documents: Mapping[str, Document]) -> Iterator[Finding]:
    called = module_of(member, document)
    if called is not None and output_of(member, document, documents) is None:
        message = f"module {called.name} has no output {member.name}"
        yield _finding(document, member.line, UNKNOWN, message, "Add the output, or correct the name")


def _check_module(module: Declaration, document: Document, documents: Mapping[str, Document]) -> Iterator[Finding]:
    inner = documents.get(document.path_of(module))
    if inner is None:
        yield _finding(document, module.line, MODULE, f"there is no file {module.type}", "Mend the path")
        return
    given = {item.key.plain or "": item for item in parameters_of(module)}
    takes = {each.name: each for each in inner.of_kind("param")}
    for name in takes.keys() - given.keys():
        if takes[name].value is None:
            message = f"{module.name} lacks parameter {name}"
            yield _finding(document, module.line, MODULE, message, f"Give it: {module.type} has no default for it")
    for name, item in given.items():
        if name not in takes:
            message = f"{module.type} has no parameter {name}"
            yield _finding(document, item.line, MODULE, message, "Take it away, or correct the name")
            continue
        yield from _check_argument(item, takes[name], document, documents)


def _check_argument(
    item: Item, takes: Declaration, document: Document, documents: Mapping[str, Document]
) -> Iterator[Finding]:
    found = kind_of(item.value, document, documents)
    if found not in (None, takes.type):
        message = f"parameter {takes.name} takes {takes.type}, not {found}"
        yield _finding(document, item.line, UNFIT, message, "Change one of them")
    if is_secret(item.value, document) and not takes.secure:
        message = f"parameter {takes.name} gets a secret and is not secure"
        yield _finding(document, item.line, MODULE, message, "Declare it with @secure(): otherwise deployments show it")


def parameters_of(module: Declaration) -> tuple[Item, ...]:
    """Return the parameters that a declaration passes to a module."""
    body = module.value
    items = body.items if isinstance(body, Object) else ()
    params = next((item.value for item in items if item.key.plain == "params"), None)
    return params.items if isinstance(params, Object) else ()


def _reached(documents: Mapping[str, Document], main: str) -> set[str]:
    found, waiting = {main}, [main]
    while waiting:
        document = documents.get(waiting.pop())
        modules = () if document is None else document.of_kind("module")
        for path in (document.path_of(each) for each in modules if document is not None):
            if path not in found:
                found.add(path)
                waiting.append(path)
    return found


def _finding(document: Document, line: int, rule: str, message: str, remedy: str) -> Finding:
    return Finding(file=document.file, line=line, rule=rule, message=message, remedy=remedy)
