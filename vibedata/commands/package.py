"""`vibedata package`: make the zip for Partner Center, and check it by the rules of certification."""

import argparse
import hashlib
import os
from dataclasses import asdict
from pathlib import Path

from oci.files.writing import write_file
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.errors import RunbookError, build
from vibedata.output import show, table
from vibedata.package.making import Made, Sources, make
from vibedata.terminal import told

PROJECT = Path(__file__).resolve().parents[2]
# Without --out, the zip is written to the current folder. The title of the table names it.
OUT = "vibedata-package.zip"
# A terminal shows at most this number of findings. Nobody reads more of them there.
MAX_SHOWN = 200
EXAMPLES = f"""\
examples:
  vibedata package                                       check the files that are there
  vibedata package --parameters publisher.json --artifacts artifacts --out {OUT}
  vibedata package --parameters publisher.json --output json

The zip holds mainTemplate.json, createUiDefinition.json and viewDefinition.json, and the files of --artifacts, which
the template fetches from the package. The same files give the same bytes.

mainTemplate.json is compiled from infra/mainTemplate.bicep by the Bicep CLI (`bicep` on the PATH, or the one that
`az bicep install` has installed) and kept in infra/ with the hash of its sources. So a machine without the Bicep CLI
makes the same package, as long as the sources have not changed.

publisher.json is a file of deployment parameters with the publisher's values. They become defaults of the template.
The customer is asked for the rest. docs/marketplace-package.md has an example, and lists the rules.

Exit code 0: all rules are kept, and the zip is written; 1: a rule is broken, or there is no template; 2: the arguments
are not clear, or a file cannot be read.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `package` to the command line."""
    parser = subparsers.add_parser(
        "package",
        help="make the Marketplace package, and check it as certification does",
        description="Make the zip for Partner Center, and check it by the rules of certification.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--parameters", type=Path, metavar="FILE", help="the file of the publisher's values for the template"
    )
    parser.add_argument(
        "--artifacts", type=Path, metavar="DIR", help="the folder of the files that the template fetches"
    )
    parser.add_argument(
        "--out", type=Path, default=Path(OUT), metavar="FILE", help=f"the zip to write (default: {OUT})"
    )
    parser.add_argument(
        "--infra",
        type=Path,
        default=PROJECT / "infra",
        metavar="DIR",
        help="the folder with mainTemplate.bicep, ui/ and types/ (default: infra of the project)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make the package and return the exit code."""
    sources = Sources(infra=arguments.infra, parameters=arguments.parameters, artifacts=arguments.artifacts)
    made = make(sources, os.environ, SYSTEM_CLOCK.now().date())
    error = made.template_error
    if error is None and made.findings:
        error = build.PACKAGE_REFUSED.error(f"{len(made.findings)} findings")
    packed = b"" if error else made.packed()
    if error is None:
        write_file(Path(os.path.realpath(arguments.out)), packed, what="the package")
    result = {
        "status": "failed" if error else "succeeded",
        "error": error.as_json() if error else None,
        "findings": [asdict(each) for each in made.findings],
        "rules": {"checked": len(made.checked), "not_checked": [rule.name for rule in made.unchecked]},
        "package": None if error else _package(arguments.out, made, packed),
    }
    show(arguments.output, result=result, text=_text(arguments.out, made, packed, error))
    return error.exit_code if error else 0


def _package(out: Path, made: Made, packed: bytes) -> dict[str, object]:
    return {
        "file": str(out),
        "bytes": len(packed),
        "sha256": hashlib.sha256(packed).hexdigest(),
        "files": sorted(made.files),
    }


def _text(out: Path, made: Made, packed: bytes, error: RunbookError | None) -> str:
    parts = []
    for each in made.findings[:MAX_SHOWN]:
        place = told(each.file if each.line is None else f"{each.file}:{each.line}")
        parts.append(f"{place}: {told(each.message)}\n  rule: {each.rule}\n  what to do: {told(each.remedy)}\n")
    if len(made.findings) > MAX_SHOWN:
        parts.append(f"and {len(made.findings) - MAX_SHOWN} more findings: --output json shows all of them\n")
    parts.append(f"{len(made.checked)} rules checked, {len(made.findings)} findings\n")
    if made.unchecked:
        parts.append(f"{len(made.unchecked)} rules not checked: a file that they look at is not there\n")
    if error is not None:
        return "".join([*parts, f"{error}\n"])
    rows = [(told(name), f"{len(made.files[name]):,}") for name in sorted(made.files)]
    parts.append(table(f"package {out}", ("file", "bytes"), rows))
    return "".join([*parts, f"SHA-256 {hashlib.sha256(packed).hexdigest()}\n"])
