"""Find out which of Bicep's types an expression has, as far as possible without evaluating it."""

from collections.abc import Mapping

from vibedata.template.syntax import (
    Array,
    Call,
    Declaration,
    Document,
    Expression,
    Index,
    Literal,
    Loop,
    Member,
    Name,
    Object,
    Operation,
    Text,
)

_OF_FUNCTIONS: Mapping[str, str] = {
    "base64": "string",
    "contains": "bool",
    "guid": "string",
    "length": "int",
    "newGuid": "string",
    "replace": "string",
    "resourceId": "string",
    "split": "array",
    "string": "string",
    "subscriptionResourceId": "string",
    "substring": "string",
    "uniqueString": "string",
    "uri": "string",
}
_TO_BOOL = ("!", "&&", "||", "==", "!=", "<", "<=", ">", ">=", "=~", "!~")
# The kinds of the variables that have been looked at.
_Known = dict[str, str | None]
_TEXTS_OF_RESOURCES = ("id", "name", "type", "apiVersion", "location")


def kind_of(expression: Expression, document: Document, modules: Mapping[str, Document]) -> str | None:
    """Return string, int, bool, object or array.

    Return None if the expression does not show its type, or if a variable depends on itself. `modules` are the files,
    by path.
    """
    return _kind_of(expression, document, modules, {})


def _kind_of(expression: Expression, document: Document, modules: Mapping[str, Document], known: _Known) -> str | None:
    match expression:
        case Literal(value=value):
            found = {bool: "bool", int: "int"}.get(type(value))
        case Text():
            found = "string"
        case Array() | Loop():
            found = "array"
        case Object():
            found = "object"
        case Operation(operator=operator, operands=operands):
            found = _of_operation(operator, [_kind_of(each, document, modules, known) for each in operands])
        case Call(function=function, of=of):
            found = _OF_FUNCTIONS.get(function) if of is None else None
        case Name(name=name):
            declared = document.get(name)
            found = None if declared is None else _of_symbol(declared, document, modules, known)
        case Member():
            found = _of_member(expression, document, modules)
        case _:
            found = None
    return found


def output_of(member: Member, document: Document, modules: Mapping[str, Document]) -> Declaration | None:
    """Return the output that `module.outputs.name` names, None for another expression or an unknown output."""
    called = module_of(member, document)
    inner = None if called is None else modules.get(document.path_of(called))
    outputs = () if inner is None else inner.of_kind("output")
    return next((each for each in outputs if each.name == member.name), None)


def module_of(member: Member, document: Document) -> Declaration | None:
    """Return the module whose output `module.outputs.name` names, None for another expression."""
    if not isinstance(member.of, Member) or member.of.name != "outputs":
        return None
    symbol = member.of.of.of if isinstance(member.of.of, Index) else member.of.of
    declared = document.get(symbol.name) if isinstance(symbol, Name) else None
    return declared if declared is not None and declared.kind == "module" else None


def _of_symbol(declared: Declaration, document: Document, modules: Mapping[str, Document], known: _Known) -> str | None:
    if declared.kind == "param":
        return declared.type
    if declared.kind == "var" and declared.value is not None:
        if declared.name not in known:
            known[declared.name] = None  # the recursion ends here if the variable depends on itself
            known[declared.name] = _kind_of(declared.value, document, modules, known)
        return known[declared.name]
    return "array" if declared.loop is not None else "object"


def _of_member(member: Member, document: Document, modules: Mapping[str, Document]) -> str | None:
    output = output_of(member, document, modules)
    if output is not None:
        return output.type
    symbol = member.of.of if isinstance(member.of, Index) else member.of
    declared = document.get(symbol.name) if isinstance(symbol, Name) else None
    is_text = declared is not None and declared.kind == "resource" and member.name in _TEXTS_OF_RESOURCES
    return "string" if is_text else None


def _of_operation(operator: str, kinds: list[str | None]) -> str | None:
    if operator in _TO_BOOL:
        return "bool"
    if operator == "?:":
        return kinds[1] if kinds[1] == kinds[2] else kinds[1] or kinds[2]
    return "int" if operator in ("+", "-", "*", "/", "%") else None
