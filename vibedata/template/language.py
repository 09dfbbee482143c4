"""Find what a managed application's template may not use: the newer template language, and values known too late.

Source: Azure/bicep, src/Bicep.Core/Emit/EmitterSettings.cs (what makes the compiler write language version 2.0);
MicrosoftDocs/azure-docs pull request 126437 (managed applications do not take it).
"""

from collections.abc import Iterator, Mapping

from vibedata.template.finding import Finding
from vibedata.template.reader import LANGUAGE, ONE
from vibedata.template.symbols import DECORATORS, UNFIT
from vibedata.template.syntax import (
    Array,
    Call,
    Declaration,
    Document,
    Expression,
    Index,
    Literal,
    Member,
    Name,
    Object,
    Text,
    children,
    walk,
)

TOO_LATE = "known-too-late"
# The parts of a resource or module that Azure must know before it deploys anything.
_BEFOREHAND = ("name", "scope", "parent")
# The types that each decorator is for, and below them the decorators that take a whole number (learn
# azure-resource-manager/bicep/parameters).
_DECORATED: Mapping[str, tuple[str, ...]] = {
    "maxLength": ("string", "array"),
    "maxValue": ("int",),
    "minLength": ("string", "array"),
    "minValue": ("int",),
    "secure": ("string", "object"),
}
_NUMBERED = ("batchSize", "maxLength", "maxValue", "minLength", "minValue")


def check_language(document: Document) -> Iterator[Finding]:
    """Yield what makes the compiler write template language 2.0, wrong decorators, and values known too late."""
    for declared in document.declarations:
        yield from _check_decorators(declared, document)
        if declared.kind == "module" and "name" not in _keys(declared):
            message = f"module {declared.name} has no name"
            yield _finding(document, declared.line, LANGUAGE, message, ONE)
        for top in (declared.value, declared.condition, declared.loop and declared.loop.over):
            if top is not None:
                yield from _check_loops(top, document)
        if declared.kind in ("resource", "module"):
            yield from _check_beforehand(declared, document)


def _check_decorators(declared: Declaration, document: Document) -> Iterator[Finding]:
    for decorator in declared.decorators:
        if decorator.function not in DECORATORS:
            message = f"@{decorator.function} is of the newer language"
            yield _finding(document, decorator.line, LANGUAGE, message, ONE)
        elif trouble := _misplaced(decorator, declared):
            yield _finding(document, decorator.line, UNFIT, f"@{decorator.function} {trouble}", "Correct one of them")
    if declared.kind == "output" and declared.secure:
        yield _finding(document, declared.line, LANGUAGE, f"output {declared.name} is secure", ONE)


def _misplaced(decorator: Call, declared: Declaration) -> str:
    """Return why a decorator does not fit its declaration, "" if it fits."""
    name, arguments = decorator.function, decorator.arguments
    if name in _DECORATED and declared.type not in _DECORATED[name]:
        return f"is for {' and '.join(_DECORATED[name])}, not for {declared.type or declared.kind}"
    if name == "batchSize" and declared.loop is None:
        return "is for a loop"
    value = arguments[0] if len(arguments) == 1 else None
    if name in _NUMBERED and not (isinstance(value, Literal) and type(value.value) is int):
        return "takes a whole number"
    if name == "allowed" and isinstance(value, Array) and isinstance(declared.value, Text):
        allowed = [each.plain for each in value.items if isinstance(each, Text)]
        return "" if declared.value.plain in allowed else "leaves out the default"
    return ""


def _check_loops(expression: Expression, document: Document) -> Iterator[Finding]:
    """Yield the places that name a resource or module of a loop as a whole, and not one of them by its index."""
    if isinstance(expression, Name) and _is_looped(expression, document):
        message = f"{expression.name} is made in a loop, and named as a whole"
        yield _finding(document, expression.line, LANGUAGE, message, "Name one of them by its index")
    for child in children(expression):
        if isinstance(expression, Index) and child is expression.of and isinstance(child, Name):
            continue
        yield from _check_loops(child, document)


def _is_looped(name: Name, document: Document) -> bool:
    declared = document.get(name.name)
    return declared is not None and declared.loop is not None


def _check_beforehand(declared: Declaration, document: Document) -> Iterator[Finding]:
    items = declared.value.items if isinstance(declared.value, Object) else ()
    parts = [("the name", item.value) for item in items if item.key.plain in _BEFOREHAND]
    parts += [("the condition", declared.condition)] if declared.condition is not None else []
    parts += [("the loop", declared.loop.over)] if declared.loop is not None else []
    for what, expression in parts:
        for each in walk(expression):
            if isinstance(each, Member) and each.name in ("outputs", "properties") and _is_deployed(each.of, document):
                message = f"{what} of {declared.name} depends on what is known after the deployment has begun"
                yield _finding(document, each.line, TOO_LATE, message, "Take it from parameters, ids and names")


def _is_deployed(expression: Expression, document: Document) -> bool:
    symbol = expression.of if isinstance(expression, Index) else expression
    declared = document.get(symbol.name) if isinstance(symbol, Name) else None
    return declared is not None and declared.kind in ("resource", "module")


def _keys(declared: Declaration) -> set[str | None]:
    return {item.key.plain for item in declared.value.items} if isinstance(declared.value, Object) else set()


def _finding(document: Document, line: int, rule: str, message: str, remedy: str) -> Finding:
    return Finding(file=document.file, line=line, rule=rule, message=message, remedy=remedy)
