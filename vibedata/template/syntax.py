"""The declarations and expressions of a Bicep file. Each knows its line."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Union

# The names of properties that hold a secret although Azure's type definitions do not mark them. A GET of the resource
# returns them, so a template can read them without a list function. Examples are `ConnectionString` and
# `InstrumentationKey` of Microsoft.Insights/components: everybody who has one can send telemetry (learn
# azure-monitor/app/connection-strings).
_SECRET_PROPERTY = re.compile(
    r"(connection_?strings?|instrumentationkey|(primary|secondary|shared|access|account|master|admin|api)_?keys?"
    r"|password|sas_?token)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Literal:
    """true, false, null or a whole number."""

    value: bool | int | None
    line: int


@dataclass(frozen=True, slots=True)
class Text:
    """A string: its parts are texts and, for `${...}`, expressions."""

    parts: tuple[Union[str, "Expression"], ...]
    line: int

    @property
    def plain(self) -> str | None:
        """Return the text, None if it has an expression."""
        texts = [part for part in self.parts if isinstance(part, str)]
        return "".join(texts) if len(texts) == len(self.parts) else None


@dataclass(frozen=True, slots=True)
class Name:
    """A symbol."""

    name: str
    line: int


@dataclass(frozen=True, slots=True)
class Member:
    """`of.name`."""

    of: "Expression"
    name: str
    line: int


@dataclass(frozen=True, slots=True)
class Index:
    """`of[index]`."""

    of: "Expression"
    index: "Expression"
    line: int


@dataclass(frozen=True, slots=True)
class Call:
    """`function(arguments)`. `of` is the expression before the dot, as in `vault.getSecret('name')`."""

    function: str
    arguments: tuple["Expression", ...]
    line: int
    of: Union["Expression", None] = None


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator between one, two or three expressions: `!a`, `a == b`, `a ? b : c`."""

    operator: str
    operands: tuple["Expression", ...]
    line: int


@dataclass(frozen=True, slots=True)
class Array:
    """`[a, b]`."""

    items: tuple["Expression", ...]
    line: int


@dataclass(frozen=True, slots=True)
class Item:
    """A member of an object: its key is a text, or an expression in `'${a}'`."""

    key: Text
    value: "Expression"
    line: int


@dataclass(frozen=True, slots=True)
class Object:
    """`{ key: value }`."""

    items: tuple[Item, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Loop:
    """`[for item in over: body]`, or `[for (item, index) in over: body]`."""

    names: tuple[str, ...]
    over: "Expression"
    body: "Expression"
    line: int


@dataclass(frozen=True, slots=True)
class Lambda:
    """`item => body`."""

    names: tuple[str, ...]
    body: "Expression"
    line: int


Expression = Literal | Text | Name | Member | Index | Call | Operation | Array | Object | Loop | Lambda


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """A declaration of a file.

    Attributes:
        kind: param, var, resource, module or output.
        name: The name of the symbol.
        type: The type of a param or output, `Microsoft.X/y@version` of a resource, or the path of a module's file.
        value: The default, the value, or the body. None for a param without a default.
        existing: Whether a resource is only looked up.
        condition: The condition in `if (...)` of a resource or module.
        loop: The loop of a resource or module. Then `value` is the loop's body.
        decorators: The decorators `@name(...)`, in their order.
    """

    kind: str
    name: str
    line: int
    type: str = ""
    value: Expression | None = None
    existing: bool = False
    condition: Expression | None = None
    loop: Loop | None = None
    decorators: tuple[Call, ...] = ()

    def decorator(self, name: str) -> Call | None:
        """Return the decorator with a name, None if there is none."""
        return next((each for each in self.decorators if each.function == name), None)

    @property
    def secure(self) -> bool:
        """Whether the value may never be shown."""
        return self.decorator("secure") is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One Bicep file. `file` is its path below the template's folder, and `scope` is its targetScope."""

    file: str
    scope: str
    declarations: tuple[Declaration, ...]

    def of_kind(self, *kinds: str) -> tuple[Declaration, ...]:
        """Return the declarations of some kinds, in their order."""
        return tuple(each for each in self.declarations if each.kind in kinds)

    def get(self, name: str) -> Declaration | None:
        """Return the declaration of a symbol, None if there is none. An output is not a symbol."""
        return next((each for each in self.declarations if each.name == name and each.kind != "output"), None)

    def path_of(self, module: Declaration) -> str:
        """Return the path of a module's file below the template's folder."""
        parts: list[str] = []
        for part in (PurePosixPath(self.file).parent / module.type).parts:
            if part == ".." and parts:
                parts.pop()
            else:
                parts.append(part)
        return "/".join(parts)


def children(expression: Expression) -> tuple[Expression, ...]:
    """Return the direct parts of an expression."""
    found: tuple[Expression, ...]
    match expression:
        case Text(parts=parts):
            found = tuple(part for part in parts if not isinstance(part, str))
        case Member(of=of):
            found = (of,)
        case Index(of=of, index=index):
            found = (of, index)
        case Call(arguments=arguments, of=of):
            found = (*(() if of is None else (of,)), *arguments)
        case Operation(operands=operands):
            found = operands
        case Array(items=items):
            found = items
        case Object(items=members):
            found = tuple(part for item in members for part in (item.key, item.value))
        case Loop(over=over, body=body):
            found = (over, body)
        case Lambda(body=body):
            found = (body,)
        case _:
            found = ()
    return found


def is_deeper(expression: Expression, most: int) -> bool:
    """Tell whether an expression has more than `most` levels. This does not recurse, so it never fails."""
    level: tuple[Expression, ...] = (expression,)
    for _ in range(most):
        level = tuple(child for each in level for child in children(each))
    return bool(level)


def walk(expression: Expression | None) -> tuple[Expression, ...]:
    """Return an expression and all its parts, at any depth."""
    if expression is None:
        return ()
    return (expression, *(inner for child in children(expression) for inner in walk(child)))


def walk_with_variables(expression: Expression | None, document: Document) -> tuple[Expression, ...]:
    """Return the same as `walk`, and the parts of all variables that the expression uses, each variable once."""
    found, waiting = list(walk(expression)), {each.name: each for each in document.of_kind("var")}
    for each in found:  # the loop adds to this list
        variable = waiting.pop(each.name, None) if isinstance(each, Name) else None
        if variable is not None:
            found += walk(variable.value)
    return tuple(found)


def possible_values(expression: Expression, document: Document) -> tuple[Expression, ...]:
    """Return the expressions that can replace an expression: both sides of a choice, the value of a variable.

    Each variable comes once.
    """
    found: list[Expression] = []
    waiting, seen = [expression], set[str]()
    while waiting:
        each = waiting.pop()
        declared = document.get(each.name) if isinstance(each, Name) else None
        if isinstance(each, Operation) and each.operator == "?:":
            waiting += reversed(each.operands[1:])
        elif declared is None or declared.kind != "var" or declared.value is None:
            found.append(each)
        elif declared.name not in seen:
            seen.add(declared.name)
            waiting.append(declared.value)
    return tuple(found)


def is_secret_property(name: str) -> bool:
    """Tell whether a resource's property of this name holds a secret."""
    return _SECRET_PROPERTY.search(name) is not None


def is_secret(expression: Expression | None, document: Document) -> bool:
    """Tell whether an expression contains a secret, directly or through variables."""
    for each in walk_with_variables(expression, document):
        declared = document.get(each.name) if isinstance(each, Name) else None
        if declared is not None and declared.secure:
            return True
        if isinstance(each, Member) and is_secret_property(each.name):
            return True
        if isinstance(each, Index) and isinstance(each.index, Text) and is_secret_property(each.index.plain or ""):
            return True
        if isinstance(each, Call) and (each.function.startswith("list") or each.function == "getSecret"):
            return True
    return False


def expressions_of(declaration: Declaration) -> tuple[Expression, ...]:
    """Return every expression of a declaration, with those of its decorators."""
    over = None if declaration.loop is None else declaration.loop.over
    tops = (declaration.value, declaration.condition, over, *declaration.decorators)
    return tuple(inner for top in tops for inner in walk(top))
