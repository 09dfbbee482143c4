"""The template as the Bicep compiler would write it: the parsed sources in the form of an ARM template.

Faithful in what the package's rules read: sections, parameters with their types and decorators, literals as literals,
expressions as ARM functions, modules as nested deployments of inner scope, loops as copy. The text of an expression may
differ from the compiler's: nothing here can deploy. Source: Azure/bicep docs, "Compare JSON and Bicep for templates".
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
)

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
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
        # The name of a loop's item, and what it is in ARM.
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
        from vibedata.template.syntax import walk_with_variables

        names = [each.name for each in walk_with_variables(expression, self._document) if isinstance(each, Name)]
        found = [self._document.get(name) for name in names]
        return any(each is not None and each.kind in ("resource", "module") for each in found)

    def _copy(self, name: str, loop: Loop) -> dict[str, Any]:
        self._items[loop.names[0]] = f"{self._text(loop.over)}[copyIndex('{name}')]"
        return {
            "name": name,
            "count": f"[length({self._text(loop.over)})]",
            "input": self._value(loop.body),
        }

    def _resource(self, declared: Declaration) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if declared.condition is not None:
            made["condition"] = self._value(declared.condition)
        if declared.loop is not None:
            over = self._text(declared.loop.over)
            made["copy"] = {"name": declared.name, "count": f"[length({over})]"}
            self._items[declared.loop.names[0]] = f"{over}[copyIndex()]"
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
            made["name"] = f"[format('{{0}}/{{1}}', {self._text(parent)}, {self._text(body.pop('name'))})]"
        if (scope := body.pop("scope", None)) is not None:
            made["scope"] = f"[{self._id(scope)}]"
        return {**made, **{key: self._value(value) for key, value in body.items()}}

    def _module(self, declared: Declaration, body: dict[str, Expression]) -> dict[str, Any]:
        params = body.get("params", Object((), declared.line))
        assert isinstance(params, Object)
        return {
            "type": "Microsoft.Resources/deployments",
            "apiVersion": "2025-04-01",
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
                plain = expression.plain
                return f"[{plain}" if plain.startswith("[") and plain.endswith("]") else plain
            case Array(items=items):
                return [self._value(each) for each in items]
            case Object(items=members):
                return {self._key(item.key): self._value(item.value) for item in members}
            case _:
                return f"[{self._text(expression)}]"

    def _key(self, key: Text) -> str:
        return key.plain if key.plain is not None else f"[{self._text(key)}]"

    def _text(self, expression: Expression | None) -> str:
        """Return an expression within `[...]`."""
        match expression:
            case Literal(value=value):
                made = "null()" if value is None else str(value).lower() + ("()" if isinstance(value, bool) else "")
            case Text():
                made = self._joined(expression)
            case Name(name=name):
                made = self._name(name)
            case Member(of=of, name=name):
                made = f"{self._id(of)}" if name == "id" and self._is_made(of) else f"{self._text(of)}.{name}"
            case Index(of=of, index=index):
                made = f"{self._text(of)}[{self._text(index)}]"
            case Call(function=function, arguments=arguments):
                made = f"{function}({', '.join(map(self._text, arguments))})"
            case Operation(operator="!=", operands=operands):
                made = f"not(equals({', '.join(map(self._text, operands))}))"
            case Operation(operator=operator, operands=operands):
                made = f"{FUNCTIONS[operator]}({', '.join(map(self._text, operands))})"
            case Array(items=items):
                made = f"createArray({', '.join(map(self._text, items))})"
            case Object(items=members):
                pairs = [part for item in members for part in (self._joined(item.key), self._text(item.value))]
                made = f"createObject({', '.join(pairs)})"
            case _:
                raise AssertionError(f"the template has no {type(expression).__name__} within an expression")
        return made

    def _joined(self, text: Text) -> str:
        if text.plain is not None:
            return "'" + text.plain.replace("'", "''") + "'"
        form, values = "", []
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
        if declared.kind == "var":
            return self._text(declared.value) if self._needs_resource(declared.value) else f"variables('{name}')"
        return f"reference({self._id(Name(name, declared.line))}, '{declared.type.partition('@')[2] or '2025-04-01'}')"

    def _is_made(self, of: Expression) -> bool:
        declared = self._document.get(of.name) if isinstance(of, Name) and of.name not in self._items else None
        return declared is not None and declared.kind in ("resource", "module")

    def _id(self, of: Expression | None) -> str:
        assert isinstance(of, Name)
        declared = self._document.get(of.name)
        assert declared is not None, of.name
        body = declared.value
        assert isinstance(body, Object)
        kind = declared.type.partition("@")[0] if declared.kind == "resource" else "Microsoft.Resources/deployments"
        (name,) = (item.value for item in body.items if item.key.plain == "name")
        return f"resourceId('{kind}', {self._text(name)})"
