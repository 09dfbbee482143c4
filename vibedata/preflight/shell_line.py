"""Decide whether a shell command in a job's output may be shown to a person. Pure.

Somebody else may have changed the published runbook, and a person copies the command into a shell with more rights. So
only a single command of the Azure CLI counts, one of those that the runbook really prints.
"""

import re
import shlex

from runbook_lib.basics.visible_text import is_visible
from runbooks.preflight import NEEDED
from vibedata.terminal import LINE_CHARACTERS

ASSIGN = "az role assignment create"
# The checks of the runbook print these, and a test compares them.
COMMANDS = frozenset(
    {
        ASSIGN,
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
# One space divides the words. A word has only characters that mean nothing to a shell, or it is quoted as a whole.
_WORD = r"""(?:[A-Za-z0-9_+=:,./-]+|'[^']*'|"[A-Za-z0-9 ()-]*")"""
_LINE = re.compile(rf"az(?: {_WORD})+")


def may_be_shown(line: str) -> bool:
    """Tell whether a line is a single, harmless command of the Azure CLI that the preflight prints."""
    if len(line) > LINE_CHARACTERS or not all(map(is_visible, line)) or not _LINE.fullmatch(line):
        return False
    words = shlex.split(line)
    options = next((place for place, word in enumerate(words) if word.startswith("-")), len(words))
    command = " ".join(words[:options])
    return command in COMMANDS and (command != ASSIGN or _gives_a_role_of_the_suite(words))


def _gives_a_role_of_the_suite(words: list[str]) -> bool:
    """Tell whether the words give exactly one role, and a runbook needs it. The CLI also takes `--rol` and `--rol=`."""
    given = [place for place, word in enumerate(words) if word.startswith("--r")]
    return len(given) == 1 and words[given[0]] == "--role" and bool(ROLES.intersection(words[given[0] + 1 :][:1]))
