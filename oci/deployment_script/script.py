"""Make the deployment script of a release from shell text, start.py, the built deploy_instance and script.json. Pure.

script.json holds what start.py must know about the release. The same sources, packages and version give the same bytes.
docs/deployment.md says what the script does.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields

from oci.bundling.bundle import Bundle
from oci.bundling.closure import OF_THE_SANDBOX, not_bundled
from runbook_lib.azure.settings import Settings
from runbook_lib.errors import deployment as errors
from runbook_lib.errors.entry import ErrorEntry

RUNBOOK = "deploy_instance"
FOLDER, NAME = "deployment-script", f"{RUNBOOK}.sh"
START_FILE = "oci/deployment_script/start.py"
ERRORS = (
    errors.NO_PYTHON,
    errors.INPUTS_MALFORMED,
    errors.WHEEL_MISSING,
    errors.WHEEL_UNUSABLE,
    errors.NO_RESULT,
)
# The oldest Python that can read the runbook's syntax.
PYTHON = (3, 10)

_SHELL = """\
#!/usr/bin/env bash
# Vibedata deployment script, release {version}.
# Built by `vibedata build`, the same for anyone who builds the same commit: edit its sources, not this file.
# Azure runs it in the Azure CLI's container (Microsoft.Resources/deploymentScripts, kind AzureCLI) as vibedata-uami. It
# runs deploy_instance there: the customer's part of a deployment. The wheels of its folder must lie beside it.
# It takes VIBEDATA_DEPLOYMENT, base64 of {{"settings": {{...}}, "parameters": {{...}}}}, and writes one JSON object to
# $AZ_SCRIPTS_OUTPUT_PATH. Exit codes: 0 done, 1 failed, 2 bad inputs, 3 another deployment holds the lock.
set -euo pipefail
: "${{AZ_SCRIPTS_OUTPUT_PATH:?is set by Azure: where the outputs are to be written}}"

found=""
python=""
try() {{
  local version
  [ -n "$1" ] && [ -z "$python" ] || return 0
  version=$("$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || return 0
  found="$found $version"
  if "$1" -c 'import sys; sys.exit(sys.version_info < {python})' 2>/dev/null; then python=$1; fi
}}
# The release's packages are made for 3.10. Newer ones can use them, too; that is tried before anything is begun.
for candidate in python3.10 python3 python3.11 python3.12 python3.13 python3.14; do try "$candidate"; done
# The Azure CLI has a Python, wherever it is.
[ -n "$python" ] || try "$(az --version 2>/dev/null | sed -n "s/^Python location '\\(.*\\)'$/\\1/p" || true)"
if [ -z "$python" ]; then
  printf 'ERROR: {code}: {title}: found%s\\n  cause: {cause}\\n  what to do: {remedy}\\n' "${{found:- none}}"
  printf '%s\\n' {no_python} >"$AZ_SCRIPTS_OUTPUT_PATH"
  exit {exit_code}
fi
[ -n "${{AZ_SCRIPTS_PATH_INPUT_DIRECTORY:-}}" ] || export AZ_SCRIPTS_PATH_INPUT_DIRECTORY="$(dirname "$0")"

folder=$(mktemp -d)
"""
_END = """\
exec "$python" -I "$folder/start.py" "$folder"
"""
_QUOTES = re.compile(r"['\\%]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptWheel:
    """A wheel beside the script.

    Attributes:
        name: Its file name.
        sha256: Its SHA-256 in hex.
        size: Its size in bytes.
        python: The only Python version that it is for, "" for all.
    """

    name: str
    sha256: str
    size: int
    python: str = ""


def deployment_script(
    built: Bundle, *, version: str, wheels: Sequence[ScriptWheel], sources: Mapping[str, str]
) -> bytes:
    """Return the script. Raises RunbookError VD-BUILD-002 if the shell would misread a text in the script.

    Args:
        built: The built runbook with the name RUNBOOK.
        version: The release's version.
        wheels: The wheels beside the script.
        sources: The source texts, among them START_FILE.
    """
    none = errors.NO_PYTHON
    known = {
        "name": RUNBOOK,
        "version": version,
        "wheels": [asdict(wheel) for wheel in wheels],
        "settings": [each.name for each in fields(Settings)],
        "modules": sorted(built.foreign - sys.stdlib_module_names - OF_THE_SANDBOX),
        "errors": {each.code: {**_as_json(each), "exit_code": each.exit_code} for each in ERRORS},
    }
    failed = {"runbook": RUNBOOK, "version": version, "status": "failed", "error": _as_json(none)}
    words = {"code": none.code, "title": none.title, "cause": none.cause, "remedy": none.remedy}
    for text in (*words.values(), version):
        if _QUOTES.search(text):
            raise not_bundled(NAME, f"the shell would read something else in: {text}")
    shell = _SHELL.format(
        **words,
        version=version,
        python=PYTHON,
        no_python=f"'{json.dumps(failed)}'",
        exit_code=none.exit_code,
    )
    parts = {
        "script.json": json.dumps(known, indent=1) + "\n",
        "start.py": sources[START_FILE],
        f"{RUNBOOK}.py": built.text,
    }
    return "".join((shell, *(_written(name, text) for name, text in parts.items()), _END)).encode()


def _as_json(entry: ErrorEntry) -> dict[str, object]:
    return {
        "code": entry.code,
        "message": entry.title,
        "cause": entry.cause,
        "remedy": entry.remedy,
        "retryable": entry.retryable,
    }


def _written(name: str, text: str) -> str:
    """Return the shell lines that write a file with exactly this text."""
    end = f"END_OF_{re.sub('[^A-Z]', '_', name.upper())}"
    if not text.endswith("\n") or end in text.split("\n"):
        raise not_bundled(name, f"its text cannot stand in the script before a line {end}")
    return f"cat >\"$folder/{name}\" <<'{end}'\n{text}{end}\n"
