"""Rules against secrets in places where somebody can read them."""

import re
from collections.abc import Iterator

from runbook_lib.basics.strict_json import member
from vibedata.package.contents import Contents
from vibedata.package.expressions import Call, Expression, Literal, Member, is_expression
from vibedata.package.rule import Fault, arm_ttk, template_rule
from vibedata.package.template import Scope, calls_in, is_secure, names_in, parts_in, referenced, walk
from vibedata.template.syntax import is_secret_property

_SOUNDS_SECRET = re.compile(r"password|secret|accountkey", re.IGNORECASE)
# secretName, secretUrl, secretVersion and secretPermissions name a secret, but are not secrets.
_SOUNDS_OF_A_PLACE = re.compile(r"permission|version|url|uri|name", re.IGNORECASE)
_LISTS = re.compile(r"list\w*", re.IGNORECASE)
_SCRIPTS = re.compile(r"customscript", re.IGNORECASE)
_IDENTITY_EXTENSION = re.compile(r"managedidentityextension", re.IGNORECASE)


@template_rule(
    "Outputs Must Not Contain Secrets",
    source=arm_ttk("deploymentTemplate/Outputs-Must-Not-Contain-Secrets"),
    remedy="Remove the output: everybody who may read the deployment can read it. Put the secret into the vault.",
)
def outputs_must_not_contain_secrets(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find an output that shows a secret, directly or through variables.

    An output of a secure type, and an output whose name has the word password, count as secrets, too.
    """
    secure = _secure(scope)
    for path, text in scope.texts("outputs"):
        for part in _parts_with_variables(scope, text):
            if isinstance(part, Call) and _LISTS.fullmatch(part.name):
                yield Fault(scope.name, path, f"an output calls {part.name}, which returns secrets")
            if isinstance(part, Member) and isinstance(part.key, Literal) and is_secret_property(str(part.key.value)):
                yield Fault(scope.name, path, f"an output holds the property {part.key.value}, which is a secret")
            name = referenced(part, "parameters") if isinstance(part, Call) else None
            if name is not None and name.lower() in secure:
                yield Fault(scope.name, path, f"an output holds the secure parameter {name}")
    for name, output in scope.section("outputs").items():
        if "password" in name.lower() or is_secure(output):
            yield Fault(scope.name, (*scope.path, "outputs", name), f"output {name} is a secret")


@template_rule(
    "Secure String Parameters Cannot Have Default",
    source=arm_ttk("deploymentTemplate/Secure-String-Parameters-Cannot-Have-Default"),
    remedy="Take the default out, leave it empty, or make it with newGuid().",
)
def secure_string_parameters_cannot_have_default(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find a secret that is written in the template."""
    for name, parameter in scope.section("parameters").items():
        default = member(parameter, "defaultValue")
        if is_secure(parameter) and default not in (None, "", {}) and not _calls(default, "newguid"):
            path = (*scope.path, "parameters", name, "defaultValue")
            yield Fault(scope.name, path, f"the secure parameter {name} has a default")


@template_rule(
    "Password params must be secure",
    source=arm_ttk("deploymentTemplate/Password-params-must-be-secure"),
    remedy="Give the parameter the type securestring or secureobject, or a name that does not sound like a secret's.",
)
def password_params_must_be_secure(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find a parameter that sounds like a secret and is not declared as one."""
    for name, parameter in scope.section("parameters").items():
        is_place = "secret" in name.lower() and _SOUNDS_OF_A_PLACE.search(name)
        is_switch = str(member(parameter, "type")).lower() == "bool"
        if _SOUNDS_SECRET.search(name) and not (is_place or is_switch or is_secure(parameter)):
            yield Fault(scope.name, (*scope.path, "parameters", name), f"parameter {name} is not secure")


@template_rule(
    "Secure Params In Nested Deployments",
    source=arm_ttk("deploymentTemplate/Secure-Params-In-Nested-Deployments"),
    remedy="Let the nested deployment evaluate its own expressions (scope inner): Bicep's modules do.",
)
def secure_params_in_nested_deployments(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find a nested deployment whose secrets the outer template evaluates.

    The record of such a deployment shows the secrets.
    """
    secure = _secure(scope)
    for resource in scope.resources():
        evaluation = str(member(resource.value, "properties", "expressionEvaluationOptions", "scope") or "outer")
        if not resource.is_deployment or evaluation.lower() == "inner":
            continue
        template = member(resource.value, "properties", "template")
        for path, call in _calls_below(template, (*resource.path, "properties", "template")):
            name = referenced(call, "parameters")
            if _LISTS.fullmatch(call.name) or (name is not None and name.lower() in secure):
                yield Fault(scope.name, path, f"a nested deployment of outer scope uses {name or call.name}")


@template_rule(
    "CommandToExecute Must Use ProtectedSettings For Secrets",
    source=arm_ttk("deploymentTemplate/CommandToExecute-Must-Use-ProtectedSettings-For-Secrets"),
    remedy="Move commandToExecute to protectedSettings.",
)
def command_to_execute_must_use_protected_settings_for_secrets(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find a script extension whose command line shows a secret."""
    secure = _secure(scope)
    for resource in scope.resources():
        if not _SCRIPTS.search(str(member(resource.value, "properties", "type"))):
            continue
        path = (*resource.path, "properties", "settings", "commandToExecute")
        command = member(resource.value, "properties", "settings", "commandToExecute")
        if names_in(command, "parameters") & secure or _lists(command):
            yield Fault(scope.name, path, "the command line holds a secret")


@template_rule(
    "adminUsername Should Not Be A Literal",
    source=arm_ttk("deploymentTemplate/adminUsername-Should-Not-Be-A-Literal"),
    remedy="Take the name from a parameter.",
)
def admin_username_should_not_be_a_literal(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find an administrator's name that is written in the template."""
    yield from _literals(scope, {"adminusername", "administratorlogin"})


@template_rule(
    "adminPassword Should Not Be A Literal",
    source=arm_ttk("deploymentTemplate/adminPassword-Should-Not-Be-A-Literal"),
    remedy="Take the password from a secure parameter.",
)
def admin_password_should_not_be_a_literal(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find an administrator's password that is written in the template."""
    yield from _literals(scope, {"adminpassword", "administratorloginpassword"})


@template_rule(
    "ManagedIdentityExtension must not be used",
    source=arm_ttk("deploymentTemplate/ManagedIdentityExtension-must-not-be-used"),
    remedy="Assign an identity to the resource itself.",
)
def managed_identity_extension_must_not_be_used(scope: Scope, _contents: Contents) -> Iterator[Fault]:
    """Find the extension that once gave machines their tokens."""
    for path, text in scope.texts("resources"):
        if _IDENTITY_EXTENSION.search(text):
            yield Fault(scope.name, path, "it uses the managed identity extension")


def _literals(scope: Scope, names: set[str]) -> Iterator[Fault]:
    for section in ("resources", "variables"):
        for path, value in scope.values(section):
            if path and str(path[-1]).lower() in names:
                given = value if isinstance(value, str) else member(value, "value")
                variable = next(iter(names_in(given, "variables")), None)
                held = {key.lower(): each for key, each in scope.section("variables").items()}.get(variable or "")
                literal = isinstance(given, str) and not is_expression(given)
                if literal or (isinstance(held, str) and not is_expression(held)):
                    yield Fault(scope.name, path, f"{path[-1]} is a literal")


def _parts_with_variables(scope: Scope, text: str) -> Iterator[Expression]:
    """Yield the expressions in a text and in all variables that the text uses. Each variable comes once."""
    held = {key.lower(): value for key, value in scope.section("variables").items()}
    waiting, seen = [text], set[str]()
    while waiting:
        found = waiting.pop()
        yield from parts_in(found)
        names = names_in(found, "variables") - seen
        seen |= names
        waiting += [value for name in names for _, value in walk(held.get(name), ()) if isinstance(value, str)]


def _secure(scope: Scope) -> set[str]:
    """Return the names of the secure parameters in small letters."""
    return {name.lower() for name, declared in scope.section("parameters").items() if is_secure(declared)}


def _calls(text: object, function: str) -> bool:
    return any(call.name.lower() == function for call in calls_in(text))


def _lists(text: object) -> bool:
    return any(_LISTS.fullmatch(call.name) for call in calls_in(text))


def _calls_below(value: object, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Call]]:
    for where, found in walk(value, path):
        yield from ((where, call) for call in calls_in(found))
