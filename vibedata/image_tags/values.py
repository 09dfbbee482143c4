"""Find the values that an expression of Bicep can have, as far as the files show them. Pure.

An expression has alternatives: both sides of a condition, a parameter's default, and the value that each caller passes.
Each part of a text keeps the place where it is written, or is marked as unknown. The grammar binds `.name` and
`[index]` less tightly than operators. So this module treats both as a part of the last operand, and all other operands
stay alternatives. There may be too many alternatives. There may be too few only for functions that make new texts, for
loaded files, and beyond the limits below.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from tree_sitter import Node

from vibedata.image_tags.files import BicepFile, line_of, plain, text_of
from vibedata.image_tags.kinds import UNKNOWN, Items, Members, Piece, Text, Value, Values, Work, size_of

# If there are more combinations than this, only one part of a text varies at a time. The other parts keep their first
# alternative.
MAX_COMBINED = 512
# A text with more parts than this is not a reference to an image.
MAX_PIECES = 200
MAX_INDEX_DIGITS = 4
# How deep expressions are followed, also through variables and functions. A deeper chain counts as a circle.
MAX_DEPTH = 60
_OPERANDS = ("ternary_expression", "binary_expression", "unary_expression")
# Functions that return their arguments, or parts of them.
_PASSING = frozenset(
    {"union", "any", "toLower", "toUpper", "trim", "string", "first", "last", "array", "flatten", "filter", "sort"}
    | {"take", "skip", "intersection", "concat", "createArray", "items"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The scope of an expression: its file, the parameters from a caller, and the names around it.

    These names come from loops, lambdas and the parameters of a function.
    """

    file: BicepFile
    # All files share the same work.
    work: Work
    declared: Mapping[str, Node]
    given: Mapping[str, Values] = field(default_factory=dict)
    names: Mapping[str, Values] = field(default_factory=dict)
    depth: int = 0
    # The values of the names at the top level of the file, as far as they have been found already.
    known: dict[str, Values] = field(default_factory=dict, repr=False)

    def with_names(self, names: Mapping[str, Values]) -> "Scope":
        """Return the scope inside a loop or a lambda."""
        return replace(self, names={**self.names, **names})


def scope_of(file: BicepFile, given: Mapping[str, Values], work: Work) -> Scope:
    """Return the scope of a file's top level."""
    kinds = ("parameter_declaration", "variable_declaration", "user_defined_function")
    nodes = [node for node in file.root.children if node.type in kinds]
    return Scope(file=file, work=work, declared={name_of(node): node for node in nodes}, given=given)


def name_of(declaration: Node) -> str:
    """Return the name that a declaration gives."""
    return next(text_of(child) for child in declaration.named_children if child.type == "identifier")


def value_of(declaration: Node) -> Node | None:
    """Return the expression after a declaration's `=`, or after a function's `=>`. Return None if there is none."""
    kinds = [child.type for child in declaration.children]
    mark = "=>" if declaration.type == "user_defined_function" else "="
    return declaration.children[-1] if mark in kinds else None


def alternatives(node: Node, scope: Scope) -> Values:
    """Return the alternatives of an expression, without duplicates. Raises TooComplexError."""
    scope.work.spend(1)
    if scope.depth > MAX_DEPTH:
        return (UNKNOWN,)
    found = _each_once(_alternatives(node, replace(scope, depth=scope.depth + 1)))
    scope.work.spend(size_of(found))
    return found


def rounds(loop: Node, scope: Scope) -> Scope:
    """Return the scope inside a loop."""
    parameters = [child for child in loop.named_children if child.type in ("identifier", "for_loop_parameters")]
    names = [text_of(one) for one in (parameters[0].named_children or parameters[:1])] if parameters else []
    over = _after(loop, "in")
    items = _items(alternatives(over, scope)) if over is not None else (UNKNOWN,)
    return scope.with_names(dict(zip(names, (items, (UNKNOWN,)), strict=False)))


def _alternatives(node: Node, scope: Scope) -> Iterable[Value]:
    named = [child for child in node.named_children if child.type != "comment"]
    found: Iterable[Value] = (UNKNOWN,)
    match node.type:
        case "string":
            found = _texts(node, scope)
        case "identifier":
            found = _symbol(text_of(node), scope)
        case "object":
            found = (_members(named, scope),)
        case "array":
            found = (Items(_all_of(named, scope)),)
        case "ternary_expression":
            found = _all_of(named[1:], scope)
        case "binary_expression" if any(child.type == "??" for child in node.children):
            found = _all_of(named, scope)
        case "parenthesized_expression" | "if_statement" | "lambda_expression" if named:
            found = alternatives(named[-1], scope)
        case "member_expression" | "subscript_expression" if named:
            found = _selected(named[0], _key(node, named[-1]), scope) if len(named) > 1 else _all_of(named, scope)
        case "for_statement" if named:
            found = (Items(alternatives(named[-1], rounds(node, scope))),)
        case "call_expression":
            found = _called(named, scope)
        case _:
            pass
    return found


def _all_of(nodes: Iterable[Node], scope: Scope) -> Values:
    return _each_once(value for node in nodes for value in alternatives(node, scope))


def _symbol(name: str, scope: Scope) -> Iterable[Value]:
    if name in scope.names:
        return scope.names[name]
    declared = scope.declared.get(name)
    if declared is None or declared.type == "user_defined_function":
        return (UNKNOWN,)
    if name not in scope.known:
        scope.known[name] = tuple(_declared(name, declared, replace(scope, names={})))
    return scope.known[name]


def _declared(name: str, declared: Node, scope: Scope) -> Iterable[Value]:
    value = value_of(declared)
    if declared.type == "variable_declaration":
        return (UNKNOWN,) if value is None else alternatives(value, scope)
    given = scope.given.get(name)
    if given is not None:
        return given
    return (UNKNOWN, *(() if value is None else alternatives(value, scope)))


def _texts(node: Node, scope: Scope) -> Iterable[Value]:
    parts: list[tuple[tuple[Piece, ...], ...]] = []
    for child in node.named_children:
        if child.type == "interpolation":
            inner = [alternatives(each, scope) for each in child.named_children]
            parts.append(_pieces(value for values in inner for value in values))
        else:
            parts.append(((Piece(text_of(child), scope.file.shown, line_of(child)),),))
    return _joined(parts, scope.work)


def _joined(parts: Sequence[tuple[tuple[Piece, ...], ...]], work: Work) -> list[Value]:
    """Return the texts that these parts make. Each part has alternatives."""
    if len(parts) > MAX_PIECES:
        return [UNKNOWN]
    count = 1
    for part in parts:
        count *= len(part)
    work.spend(len(parts) * (count if count <= MAX_COMBINED else sum(map(len, parts))))
    if count <= MAX_COMBINED:
        chosen: Iterable[Sequence[tuple[Piece, ...]]] = product(*parts)
    else:
        first = [part[0] for part in parts]
        chosen = [[*first[:place], one, *first[place + 1 :]] for place, part in enumerate(parts) for one in part]
    made = [tuple(piece for part in one for piece in part) for one in chosen]
    return [Text(pieces) if len(pieces) <= MAX_PIECES else UNKNOWN for pieces in made]


def _pieces(values: Iterable[Value]) -> tuple[tuple[Piece, ...], ...]:
    found = [value.pieces if isinstance(value, Text) else (Piece(None),) for value in values]
    return tuple(dict.fromkeys(found)) or ((Piece(None),),)


def _key(node: Node, key: Node) -> str | None:
    """Return the selected name, None for an index or an unknown name."""
    return text_of(key) if node.type == "member_expression" else plain(key)


def _selected(of: Node, key: str | None, scope: Scope) -> Iterable[Value]:
    operands = [child for child in of.named_children if child.type != "comment"]
    if of.type in _OPERANDS and operands:
        *others, last = operands if of.type != "ternary_expression" else operands[1:]
        return [*(value for other in others for value in alternatives(other, scope)), *_selected(last, key, scope)]
    return [one for value in alternatives(of, scope) for one in _part(value, key)]


def _part(value: Value, key: str | None) -> Values:
    if isinstance(value, Members):
        if key in value.of:
            return (*value.of[key], *value.of.get(None, ()))
        return _each_once(one for values in value.of.values() for one in values) or (UNKNOWN,)
    if isinstance(value, Items):
        return value.of or (UNKNOWN,)
    return (value,)


def _members(children: Iterable[Node], scope: Scope) -> Members:
    found: dict[str | None, Values] = {}
    for child in children:
        if child.type != "object_property" or len(child.named_children) < 2:
            continue
        key, value = child.named_children[0], child.named_children[-1]
        values = alternatives(value, scope)
        name = plain(key) if key.type == "string" else text_of(key)
        if name == "_":  # a spread
            values = _each_once(one for each in values for one in _part(each, None))
            name = None
        found[name] = (*found.get(name, ()), *values)
    return Members(found)


def _items(values: Values) -> Values:
    return _each_once(one for value in values for one in _part(value, None)) or (UNKNOWN,)


def _called(named: Sequence[Node], scope: Scope) -> Iterable[Value]:
    function, *rest = named
    arguments = [child for child in (rest[-1].named_children if rest else ()) if child.type != "comment"]
    name = text_of(function).rpartition(".")[2]
    declared = scope.declared.get(name)
    if declared is not None and declared.type == "user_defined_function":
        return _own_function(declared, arguments, scope)
    values = [alternatives(argument, scope) for argument in arguments]
    found: Iterable[Value] = (UNKNOWN,)
    if name == "map" and len(arguments) == 2:
        taken = [text_of(child) for child in arguments[1].named_children[:1]]
        inside = scope.with_names({one: _items(values[0]) for one in taken})
        found = (Items(alternatives(arguments[1], inside)),)
    elif name == "format" and values:
        found = _formatted(values, scope.work)
    elif name == "concat" and not any(isinstance(one, Items) for each in values for one in each):
        found = _joined([_pieces(each) for each in values], scope.work)
    elif name in _PASSING:
        found = [one for each in values for value in each for one in (value, *_inside(value))]
    return found


def _inside(value: Value) -> Values:
    return value.of if isinstance(value, Items) else ()


def _own_function(declared: Node, arguments: Sequence[Node], scope: Scope) -> Iterable[Value]:
    parameters = [
        text_of(one.named_children[0])
        for child in declared.named_children
        if child.type == "parameters"
        for one in child.named_children
    ]
    given = {name: alternatives(one, scope) for name, one in zip(parameters, arguments, strict=False)}
    body = value_of(declared)
    return (UNKNOWN,) if body is None else alternatives(body, replace(scope, names=given))


def _formatted(values: Sequence[Values], work: Work) -> Iterable[Value]:
    """Return the result of format(): its first argument, with `{0}` replaced by the argument of that number."""
    made: list[Value] = []
    for template in values[0]:
        if not isinstance(template, Text):
            made.append(UNKNOWN)
            continue
        parts: list[tuple[tuple[Piece, ...], ...]] = []
        for piece in template.pieces:
            for place, text in enumerate((piece.text or "").replace("}", "{").split("{")):
                if place % 2 == 0:
                    parts.append(((replace(piece, text=text if piece.text is not None else None),),))
                else:
                    index = text.partition(":")[0]
                    # No call has 10,000 arguments, and Python does not read a number of thousands of digits.
                    number = int(index) + 1 if index.isdecimal() and len(index) <= MAX_INDEX_DIGITS else 0
                    parts.append(_pieces(values[number]) if 0 < number < len(values) else ((Piece(None),),))
        made += _joined(parts, work)
    return made


def _after(node: Node, keyword: str) -> Node | None:
    found = False
    for child in node.children:
        if found and child.is_named:
            return child
        found = found or child.type == keyword
    return None


def _each_once(values: Iterable[Value]) -> Values:
    return tuple(dict.fromkeys(values))
