"""The template as the Bicep compiler would write it: the parsed sources in the form of an ARM template.

It is the same in everything that the package's rules read: sections, parameters with their types and decorators,
literals as literals, expressions as ARM functions, modules as nested deployments of inner scope, loops as copy. The
text of an expression may differ from the compiler's, so nobody can deploy the result. Source: Azure/bicep docs,
"Compare JSON and Bicep for templates".
"""

from collections.abc import Mapping
from typing import Any

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
    walk_with_variables,
)

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
DEPLOYMENTS, DEPLOYMENTS_VERSION = "Microsoft.Resources/deployments", "2025-04-01"
FUNCTIONS = {
    "!": "not",
    "==": "equals",
    "<": "less",
    "<=": "lessOrEquals",
    ">": "greater",
    ">=": "greaterOrEquals",
    "+": "add",
    "-": "sub",
    "&&": "and",
    "||": "or",
    "?:": "if",
}
BOUNDS = ("minLength", "maxLength", "minValue", "maxValue")


def compiled(documents: Mapping[str, Document], file: str) -> dict[str, Any]:
    """Return the ARM template of a file, with its modules as nested templates."""
    return _File(documents, documents[file]).template()


class _File:
    def __init__(self, documents: Mapping[str, Document], document: Document) -> None:
        self._documents = documents
        self._document = document
        # The names of the loops' items and indices, and what they are in ARM.
        self._items: dict[str, str] = {}

    def template(self) -> dict[str, Any]:
        of = self._document.of_kind
        made: dict[str, Any] = {
            "$schema": SCHEMA,
            "contentVersion": "1.0.0.0",
            "metadata": {"_generator": {"name": "bicep", "version": "0.49.2", "templateHash": "1"}},
            "parameters": {each.name: self._parameter(each) for each in of("param")},
            "variables": self._variables(of("var")),
            "resources": [self._resource(each) for each in of("resource", "module") if not each.existing],
            "outputs": {each.name: {"type": each.type, "value": self._value(each.value)} for each in of("output")},
        }
        return {key: value for key, value in made.items() if value}

    def _parameter(self, declared: Declaration) -> dict[str, Any]:
        secure = {"string": "securestring", "object": "secureobject"}
        made: dict[str, Any] = {"type": secure[declared.type] if declared.secure else declared.type}
        if declared.value is not None:
            made["defaultValue"] = self._value(declared.value)
        if (allowed := declared.decorator("allowed")) is not None:
            made["allowedValues"] = self._value(allowed.arguments[0])
        for name in BOUNDS:
            if (bound := declared.decorator(name)) is not None:
                made[name] = self._value(bound.arguments[0])
        if (text := declared.decorator("description")) is not None:
            made["metadata"] = {"description": self._value(text.arguments[0])}
        return made

    def _variables(self, declared: tuple[Declaration, ...]) -> dict[str, Any]:
        # The compiler puts the value of a resource into each place where such a variable is used.
        known = [each for each in declared if not self._needs_resource(each.value)]
        made = {each.name: self._value(each.value) for each in known if not isinstance(each.value, Loop)}
        loops = [self._copy(each.name, each.value) for each in known if isinstance(each.value, Loop)]
        return {**({"copy": loops} if loops else {}), **made}

    def _needs_resource(self, expression: Expression | None) -> bool:
        names = [each.name for each in walk_with_variables(expression, self._document) if isinstance(each, Name)]
        found = [self._document.get(name) for name in names]
        return any(each is not None and each.kind in ("resource", "module") for each in found)

    def _copy(self, name: str, loop: Loop) -> dict[str, Any]:
        self._enter(loop, f"copyIndex('{name}')")
        return {
            "name": name,
            "count": f"[length({self._text(loop.over)})]",
            "input": self._value(loop.body),
        }

    def _enter(self, loop: Loop, index: str) -> None:
        self._items |= zip(loop.names, (f"{self._text(loop.over)}[{index}]", index), strict=False)

    def _resource(self, declared: Declaration) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if declared.condition is not None:
            made["condition"] = self._value(declared.condition)
        if declared.loop is not None:
            made["copy"] = {"name": declared.name, "count": f"[length({self._text(declared.loop.over)})]"}
            self._enter(declared.loop, "copyIndex()")
        assert isinstance(declared.value, Object)
        body = {str(item.key.plain): item.value for item in declared.value.items}
        depends = body.pop("dependsOn", None)
        if isinstance(depends, Array):
            made["dependsOn"] = [f"[{self._id(each)}]" for each in depends.items]
        return {**made, **(self._module(declared, body) if declared.kind == "module" else self._plain(declared, body))}

    def _plain(self, declared: Declaration, body: dict[str, Expression]) -> dict[str, Any]:
        kind, _, version = declared.type.partition("@")
        made: dict[str, Any] = {"type": kind, "apiVersion": version}
        if (parent := body.pop("parent", None)) is not None:
            made["name"] = f"[format('{{0}}/{{1}}', {self._name_of(parent)}, {self._text(body.pop('name'))})]"
        if (scope := body.pop("scope", None)) is not None:
            made["scope"] = f"[{self._id(scope)}]"
        return {**made, **{key: self._value(value) for key, value in body.items()}}

    def _module(self, declared: Declaration, body: dict[str, Expression]) -> dict[str, Any]:
        params = body.get("params", Object((), declared.line))
        assert isinstance(params, Object)
        return {
            "type": DEPLOYMENTS,
            "apiVersion": DEPLOYMENTS_VERSION,
            "name": self._value(body["name"]),
            "properties": {
                "expressionEvaluationOptions": {"scope": "inner"},
                "mode": "Incremental",
                "parameters": {str(item.key.plain): self._given(item.value) for item in params.items},
                "template": compiled(self._documents, self._document.path_of(declared)),
            },
        }

    def _given(self, value: Expression) -> dict[str, Any]:
        if isinstance(value, Call) and value.function == "getSecret":
            (name,) = value.arguments
            return {
                "reference": {"keyVault": {"id": f"[{self._id(value.of)}]"}, "secretName": self._value(name)},
            }
        return {"value": self._value(value)}

    def _value(self, expression: Expression | None) -> Any:
        """Return a JSON value: a literal, or a text with an expression."""
        found: Any
        match expression:
            case Literal(value=found):
                return found
            case Text() if expression.plain is not None:
                text = expression.plain
                return f"[{text}" if text.startswith("[") and text.endswith("]") else text
            case Array(items=items):
                return [self._value(each) for each in items]
            case Object(items=members):
                loops = [
                    self._copy(str(item.key.plain), item.value) for item in members if isinstance(item.value, Loop)
                ]
                plain = {
                    self._key(item.key): self._value(item.value) for item in members if not isinstance(item.value, Loop)
                }
                return {**({"copy": loops} if loops else {}), **plain}
            case _:
                return f"[{self._text(expression)}]"

    def _key(self, key: Text) -> str:
        return key.plain if key.plain is not None else f"[{self._text(key)}]"

    def _text(self, expression: Expression | None) -> str:
        """Return an expression within `[...]`."""
        if (declared := self._made(expression)) is not None:
            return f"reference({self._id(expression)}, '{declared.type.partition('@')[2] or DEPLOYMENTS_VERSION}')"
        match expression:
            case Literal(value=value):
                made = "null()" if value is None else str(value).lower() + ("()" if isinstance(value, bool) else "")
            case Text():
                made = self._joined(expression)
            case Name(name=name):
                made = self._name(name)
            case Member() | Index():
                made = self._part(expression)
            case Call(function=function, arguments=arguments):
                made = self._call(function, *arguments)
            case Operation(operator="!=", operands=operands):
                made = f"not({self._call('equals', *operands)})"
            case Operation(operator=operator, operands=operands):
                made = self._call(FUNCTIONS[operator], *operands)
            case Array(items=items):
                made = self._call("createArray", *items)
            case Object(items=members):
                made = self._call("createObject", *(part for item in members for part in (item.key, item.value)))
            case _:
                raise AssertionError(f"the template has no {type(expression).__name__} within an expression")
        return made

    def _call(self, function: str, *arguments: Expression) -> str:
        return f"{function}({', '.join(map(self._text, arguments))})"

    def _part(self, part: Member | Index) -> str:
        if isinstance(part, Index):
            return f"{self._text(part.of)}[{self._text(part.index)}]"
        if self._made(part.of) is not None and part.name in ("id", "name"):
            return self._id(part.of) if part.name == "id" else self._name_of(part.of)
        return f"{self._text(part.of)}.{part.name}"

    def _joined(self, text: Text) -> str:
        if text.plain is not None:
            return "'" + text.plain.replace("'", "''") + "'"
        form, values = "", list[str]()
        for part in text.parts:
            if isinstance(part, str):
                form += part.replace("'", "''").replace("{", "{{").replace("}", "}}")
            else:
                form += f"{{{len(values)}}}"
                values.append(self._text(part))
        return f"format('{form}', {', '.join(values)})"

    def _name(self, name: str) -> str:
        if name in self._items:
            return self._items[name]
        declared = self._document.get(name)
        assert declared is not None, name
        if declared.kind == "param":
            return f"parameters('{name}')"
        return self._text(declared.value) if self._needs_resource(declared.value) else f"variables('{name}')"

    def _made(self, of: Expression | None) -> Declaration | None:
        """Return the resource or module that a symbol names, also one of a loop. None for anything else."""
        named = of.of if isinstance(of, Index) else of
        declared = self._document.get(named.name) if isinstance(named, Name) and named.name not in self._items else None
        return declared if declared is not None and declared.kind in ("resource", "module") else None

    def _id(self, of: Expression | None) -> str:
        declared = self._made(of)
        assert declared is not None
        kind = declared.type.partition("@")[0] if declared.kind == "resource" else DEPLOYMENTS
        return f"resourceId('{kind}', {self._name_of(of)})"

    def _name_of(self, of: Expression | None) -> str:
        declared = self._made(of)
        assert declared is not None and isinstance(declared.value, Object)
        (name,) = (item.value for item in declared.value.items if item.key.plain == "name")
        outside = dict(self._items)
        if declared.loop is not None:
            self._enter(declared.loop, self._text(of.index) if isinstance(of, Index) else "copyIndex()")
        made = self._text(name)
        self._items = outside
        return made
