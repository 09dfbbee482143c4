"""Decide whether a shell command in a job's output may be shown to a person. Pure.

Somebody else may have changed the published runbook, and a person copies the command into a shell with more rights. So
only a single command of the Azure CLI counts, one of those that the runbook really prints, and only one that changes a
resource of the instance.
"""

import re
import shlex
from collections.abc import Callable, Mapping

from runbook_lib.azure.settings import Settings
from runbook_lib.basics.visible_text import is_visible
from runbooks.preflight import NEEDED
from vibedata.terminal import LINE_CHARACTERS

# The checks of the runbook print these, and a test compares them.
COMMANDS = frozenset(
    {
        "az role assignment create",
        "az keyvault secret recover",
        "az keyvault secret set-attributes",
        "az keyvault secret show",
        "az monitor log-analytics workspace table create",
        "az resource update",
        "az storage container immutability-policy create",
        "az storage container immutability-policy lock",
        "az storage container-rm create",
    }
)
ROLES = frozenset(permission.role for permission in NEEDED)


def _any(_value: str, _settings: Settings) -> bool:
    """Accept each value: the option names a part of the resource that another option names."""
    return True


def _of_instance(value: str, settings: Settings) -> bool:
    """Tell whether an ARM id is that of the managed resource group, or of a resource in it."""
    below = f"{settings.resource_group_id}/".casefold()
    return f"{value}/".casefold().startswith(below) and "/../" not in f"{value}/"


def _in_vault(value: str, settings: Settings) -> bool:
    """Tell whether a secret's address is in the instance's vault."""
    return value.startswith(settings.key_vault_endpoint.rstrip("/") + "/") and "/../" not in value


# The options of these commands, and what each one's value must be. The Azure CLI also takes `--rol` and `--role=`; the
# runbook does not print them.
_OPTIONS: Mapping[str, Callable[[str, Settings], bool]] = {
    "--account-name": lambda value, settings: value == settings.storage_account,
    "--api-version": _any,
    "--assignee-object-id": _any,
    "--assignee-principal-type": _any,
    "--columns": _any,
    "--container-name": _any,
    "--enabled": _any,
    "--id": _in_vault,
    "--ids": _of_instance,
    "--if-match": _any,
    "--name": _any,
    "--period": _any,
    "--query": _any,
    "--resource-group": lambda value, settings: value.casefold() == settings.resource_group.casefold(),
    "--role": lambda value, _settings: value in ROLES,
    "--scope": _of_instance,
    "--set": lambda value, _settings: value.startswith("properties.streamDeclarations."),
    "--storage-account": lambda value, settings: value == settings.storage_account,
    "--subscription": lambda value, settings: value.casefold() == settings.subscription_id.casefold(),
    "--workspace-name": _any,
}
# Only these options say which resource a command changes. A command without one of them changes another one.
_PLACES = (
    frozenset({"--id"}),
    frozenset({"--ids"}),
    frozenset({"--scope"}),
    frozenset({"--subscription", "--resource-group"}),
)
# One space divides the words. A word has only characters that mean nothing to a shell, or it is quoted as a whole.
_WORD = r"""(?:[A-Za-z0-9_+=:,./-]+|'[^']*'|"[A-Za-z0-9 ()-]*")"""
_LINE = re.compile(rf"az(?: {_WORD})+")


def may_be_shown(line: str, settings: Settings) -> bool:
    """Tell whether a line is a single command of the Azure CLI that the preflight prints for this instance."""
    if len(line) > LINE_CHARACTERS or not all(map(is_visible, line)) or not _LINE.fullmatch(line):
        return False
    words = shlex.split(line)
    places = [place for place, word in enumerate(words) if word.startswith("-")]
    if not places or " ".join(words[: places[0]]) not in COMMANDS:
        return False
    given = {words[begin]: words[begin + 1 : end] for begin, end in zip(places, [*places[1:], None], strict=True)}
    return (
        len(given) == len(places)
        and any(place <= given.keys() for place in _PLACES)
        and all(_fits(option, values, settings) for option, values in given.items())
    )


def _fits(option: str, values: list[str], settings: Settings) -> bool:
    """Tell whether an option is known and has values, and each value is one that it may have."""
    fits = _OPTIONS.get(option)
    return fits is not None and bool(values) and all(fits(value, settings) for value in values)
