"""Evaluate the template as Azure Resource Manager would: find the resources and their bodies for given parameters."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from vibedata.template import functions
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
from vibedata.template.tokens import TOO_DEEP
from vibedata.template.values import (
    Deployed,
    LinedObject,
    Place,
    Runtime,
    Snapshot,
    TooMuchError,
    Work,
    has_runtime,
)

Documents = Mapping[str, Document]
# The errors that an operator or a function raises for a value that it does not take.
_UNFIT = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError)
# Azure Resource Manager's whole numbers have 64 bits.
_MAX_INTEGER = 2**63 - 1
TOO_COMPLEX = "its expressions are too complex"
_BINARY: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
}


class NotEvaluatedError(Exception):
    """An expression has no value. `file` and `line` give the place, and `message` the reason."""

    def __init__(self, file: str, line: int, message: str) -> None:
        super().__init__(f"{file}:{line}: {message}")
        self.file = file
        self.line = line
        self.message = message


def snapshot(documents: Documents, file: str, parameters: Mapping[str, Any], place: Place) -> Snapshot:
    """Return what a deployment of a file with these parameters makes. Raises NotEvaluatedError."""
    try:
        return _Deployment(documents, documents[file], parameters, place, work=Work(), outer=()).snapshot()
    except RecursionError as error:
        raise NotEvaluatedError(file, 1, TOO_DEEP) from error
    except TooMuchError as error:
        raise NotEvaluatedError(file, 1, TOO_COMPLEX) from error


class _Deployment:
    """One file with its parameters. Symbols get their values when they are first asked for."""

    def __init__(
        self,
        documents: Documents,
        document: Document,
        parameters: Mapping[str, Any],
        place: Place,
        *,
        work: Work,
        outer: tuple[str, ...],
    ) -> None:
        self._documents = documents
        self._document = document
        self._parameters = parameters
        self._place = place
        self._work = work
        # This file and the files whose modules lead to it.
        self._open = (*outer, document.file)
        self._functions = {**functions.PLAIN, **functions.of_place(place), **functions.IN_DEFAULTS}
        self._values: dict[str, Any] = {}
        self._begun: set[str] = set()

    def snapshot(self) -> Snapshot:
        resources: list[Deployed] = []
        modules: list[tuple[str, Mapping[str, Any]]] = [(self._document.file, self._parameters)]
        for declared in self._document.of_kind("resource", "module"):
            found = self._symbol(declared.name)
            for each in found if isinstance(found, list) else [found]:
                if isinstance(each, Snapshot):
                    resources += each.resources
                    modules += each.modules
                elif each is not None:
                    resources.append(each)
        outputs = {each.name: self.value(each.value, {}) for each in self._document.of_kind("output")}
        return Snapshot(resources=tuple(resources), outputs=outputs, modules=tuple(modules))

    def _symbol(self, name: str) -> Any:
        if name not in self._values:
            declared = self._document.get(name)
            if declared is None:
                raise self._trouble(1, f"nothing is named {name}")
            if name in self._begun:
                raise self._trouble(declared.line, f"{name} depends on itself")
            self._begun.add(name)
            with self._fitting(declared.line):
                self._values[name] = self._declared(declared)
        return self._values[name]

    def _declared(self, declared: Declaration) -> Any:
        if declared.kind == "param" and declared.name in self._parameters:
            return self._parameters[declared.name]
        if declared.kind in ("param", "var"):
            if declared.value is None:
                raise self._trouble(declared.line, f"parameter {declared.name} is not given")
            return self.value(declared.value, {})
        make = self._module if declared.kind == "module" else self._resource
        if declared.loop is not None:
            return [make(declared, names) for names in self._rounds(declared.loop, {})]
        if declared.condition is not None:
            condition = self.value(declared.condition, {})
            if isinstance(condition, Runtime):
                raise self._trouble(declared.line, f"only Azure knows whether {declared.name} is made")
            if condition is not True:
                return None
        return make(declared, {})

    def _module(self, declared: Declaration, names: Mapping[str, Any]) -> Snapshot:
        body = self._body(declared, names)
        document = self._documents.get(self._document.path_of(declared))
        if document is None:
            raise self._trouble(declared.line, f"there is no file {declared.type}")
        if document.file in self._open:
            raise self._trouble(declared.line, f"{declared.type} is a module of itself")
        params = body.get("params", {})
        if not isinstance(params, Mapping):
            raise self._trouble(declared.line, f"params of {declared.name} is no object")
        return _Deployment(self._documents, document, params, self._place, work=self._work, outer=self._open).snapshot()

    def _body(self, declared: Declaration, names: Mapping[str, Any]) -> LinedObject:
        body = self.value(declared.value, names)
        if not isinstance(body, LinedObject):
            raise self._trouble(declared.line, f"the body of {declared.name} is no object")
        self._work.spend(body)
        return body

    def _resource(self, declared: Declaration, names: Mapping[str, Any]) -> Deployed:
        body = self._body(declared, names)
        if "name" not in body:
            raise self._trouble(declared.line, f"{declared.name} has no name")
        resource_type, _, version = declared.type.partition("@")
        written, scope = body["name"], self._place.group_id
        # A slash in the expression of a value that only Azure knows does not divide the name into parts.
        name = str(written).replace("/", "|") if isinstance(written, Runtime) else str(written)
        parent, extended = body.pop("parent", None), body.pop("scope", None)
        if isinstance(parent, Deployed):
            name, scope = f"{parent.name}/{name}", parent.scope
        if isinstance(extended, Deployed):
            scope = extended.id
        elif isinstance(extended, Mapping):
            scope = str(extended["id"])
        if name.count("/") != resource_type.count("/") - 1:
            message = f"the name {name} of {declared.name} has not one part for each part of its type: add its parent"
            raise self._trouble(declared.line, message)
        return Deployed(
            type=resource_type,
            api_version=version,
            name=name,
            scope=scope,
            body=body,
            file=self._document.file,
            line=declared.line,
            symbol=declared.name,
            existing=declared.existing,
        )

    def value(self, expression: Expression | None, names: Mapping[str, Any]) -> Any:
        """Return the value of an expression. names: the names of the loops around it."""
        self._work.spend(None)
        if expression is None:
            raise self._trouble(1, "a value is missing")
        with self._fitting(expression.line):
            return self._value(expression, names)

    @contextmanager
    def _fitting(self, line: int) -> Iterator[None]:
        """Replace an error of an operator or a function with an error that names the line."""
        try:
            yield
        except _UNFIT as error:
            raise self._trouble(line, "an operator or a function does not take this value") from error

    def _value(self, expression: Expression, names: Mapping[str, Any]) -> Any:
        found: Any
        match expression:
            case Literal(value=found):
                pass
            case Text():
                found = self._text(expression, names)
            case Name(name=name):
                found = names[name] if name in names else self._symbol(name)
            case Member() | Index():
                found = self._part(expression, names)
            case Array(items=items):
                found = [self.value(item, names) for item in items]
            case Object():
                found = self._object(expression, names)
            case Loop():
                found = [self.value(expression.body, inner) for inner in self._rounds(expression, names)]
            case Operation():
                found = self._operation(expression, names)
            case Call():
                found = self._call(expression, names)
            case _:
                raise self._trouble(expression.line, "this expression has no value")
        return found

    def _text(self, text: Text, names: Mapping[str, Any]) -> Any:
        parts = [part if isinstance(part, str) else self.value(part, names) for part in text.parts]
        self._work.spend(*parts)
        texts = [part.text if isinstance(part, Runtime) else functions.text_of(part) for part in parts]
        return Runtime("".join(texts)) if has_runtime(parts) else "".join(texts)

    def _object(self, written: Object, names: Mapping[str, Any]) -> LinedObject:
        keys = [str(self._text(item.key, names)) for item in written.items]
        values = {key: self.value(item.value, names) for key, item in zip(keys, written.items, strict=True)}
        lines = {key: item.line for key, item in zip(keys, written.items, strict=True)}
        return LinedObject(values, lines, written.line)

    def _rounds(self, loop: Loop, names: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        over = self.value(loop.over, names)
        if not isinstance(over, list):
            raise self._trouble(loop.line, "a loop runs over no array")
        return [{**names, **dict(zip(loop.names, (item, index), strict=False))} for index, item in enumerate(over)]

    def _part(self, part: Member | Index, names: Mapping[str, Any]) -> Any:
        of = self.value(part.of, names)
        key = part.name if isinstance(part, Member) else self.value(part.index, names)
        if isinstance(of, Runtime):
            return Runtime(f"{of.text}.{key}")
        if isinstance(of, Deployed):
            known = {"id": of.id, "name": of.name.rpartition("/")[2], "type": of.type, "apiVersion": of.api_version}
            return known.get(str(key), Runtime(f"{of.id}.{key}"))
        if isinstance(of, Snapshot):
            of = {"outputs": of.outputs}
        try:
            return of[key]
        except (KeyError, IndexError, TypeError) as error:
            raise self._trouble(part.line, f"there is no {key} here") from error

    def _operation(self, operation: Operation, names: Mapping[str, Any]) -> Any:
        operator, operands = operation.operator, operation.operands
        first = self.value(operands[0], names)
        if operator == "?:":
            if isinstance(first, Runtime):
                raise self._trouble(operation.line, "only Azure knows which of two values it takes")
            return self.value(operands[1 if first else 2], names)
        if len(operands) == 1:
            if isinstance(first, Runtime):
                return Runtime(f"{operator}{first}")
            return not first if operator == "!" else -first
        if operator in ("&&", "||") and not isinstance(first, Runtime):
            return first if first is (operator == "||") else self.value(operands[1], names)
        second = self.value(operands[1], names)
        self._work.spend(first, second)
        if has_runtime([first, second]):
            return Runtime(f"{first} {operator} {second}")
        if operator not in _BINARY:
            raise self._trouble(operation.line, f"the operator {operator} is not known here")
        found = _BINARY[operator](first, second)
        if isinstance(found, int) and abs(found) > _MAX_INTEGER:
            raise self._trouble(operation.line, "the number is too large")
        return found

    def _call(self, call: Call, names: Mapping[str, Any]) -> Any:
        arguments = [self.value(each, names) for each in call.arguments]
        self._work.spend(*arguments)
        if call.of is not None:
            return Runtime(f"{call.function}({', '.join(map(str, arguments))})")
        if call.function not in self._functions:
            raise self._trouble(call.line, f"the function {call.function} is not known here")
        return functions.call(call.function, self._functions[call.function], arguments)

    def _trouble(self, line: int, message: str) -> NotEvaluatedError:
        return NotEvaluatedError(self._document.file, line, message)
