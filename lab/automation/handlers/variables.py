"""Microsoft.Automation variables."""

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from lab.arm.dispatch import json_body, only_fields
from lab.automation.account import VARIABLE_LIMIT_CHARACTERS, AutomationAccount, Variable, timestamp
from lab.automation.wire import bad_request, invalid, not_found, typed
from lab.shared import Lab

VARIABLE_FIELDS = {"name", "properties"}


class VariableHandlers:
    """Handlers of the account's variables."""

    def __init__(self, *, lab: Lab, account: AutomationAccount) -> None:
        """Serve the variables of `account`."""
        self._lab = lab
        self._account = account

    async def put_variable(self, request: web.Request, names: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Create or update a variable, whose value is JSON text."""
        name = names["variable"]
        body = await json_body(request, VARIABLE_FIELDS)
        if typed(body, "name", str, "").lower() != name.lower():
            raise bad_request("The name in the body is not the variable's.")
        properties = only_fields(body.get("properties"), {"value", "description", "isEncrypted"}, "properties")
        value, encrypted = typed(properties, "value", str), typed(properties, "isEncrypted", bool, False)
        _check_value(value)
        existing = self._account.variables.get(name.lower())
        if existing is not None and existing.encrypted != encrypted:
            raise invalid("variable.properties.isEncrypted", "Whether a variable is encrypted cannot be changed.")
        now = self._lab.clock.now()
        variable = Variable(
            name=existing.name if existing else name,
            value=value,
            encrypted=encrypted,
            description=typed(properties, "description", str),
            created=existing.created if existing else now,
            modified=now,
        )
        self._account.variables[name.lower()] = variable
        return (200 if existing else 201), self.variable_view(variable)

    async def get_variable(self, _request: web.Request, names: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Return a variable."""
        variable = self._account.variables.get(names["variable"].lower())
        if variable is None:
            raise not_found("Variable", names["variable"])
        return 200, self.variable_view(variable)

    async def list_variables(self, _request: web.Request, _names: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return all variables."""
        return [self.variable_view(variable) for variable in self._account.variables.values()]

    async def delete_variable(self, _request: web.Request, names: Mapping[str, str]) -> tuple[int, None]:
        """Delete a variable. The SDK does not accept a 204 here."""
        if self._account.variables.pop(names["variable"].lower(), None) is None:
            raise not_found("Variable", names["variable"])
        return 200, None

    def variable_view(self, variable: Variable) -> dict[str, Any]:
        """Return a variable as ARM shows it. An encrypted variable is shown without its value."""
        return {
            "path": ("variables", variable.name),
            "properties": {
                "isEncrypted": variable.encrypted,
                "description": variable.description,
                "creationTime": timestamp(variable.created),
                "lastModifiedTime": timestamp(variable.modified),
                **({} if variable.encrypted else {"value": variable.value}),
            },
        }


def _check_value(value: str | None) -> None:
    if value is None:
        return
    if len(value) > VARIABLE_LIMIT_CHARACTERS:
        raise invalid("variable.properties.value", f"The value is longer than {VARIABLE_LIMIT_CHARACTERS} characters.")
    try:
        json.loads(value)
    except ValueError as error:
        message = "Invalid JSON - Kindly check the value of the variable."
        raise invalid("variable.properties.value", message) from error
