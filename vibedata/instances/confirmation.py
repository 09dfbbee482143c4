"""Ask a person to confirm the instance, before a command does something that cannot be undone."""

import argparse
import sys

from runbook_lib.errors import publisher


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add `--yes` to a command that asks."""
    parser.add_argument(
        "--yes", action="store_true", help="do not ask for the instance's name before a change that cannot be undone"
    )


def confirm(what: str, names: tuple[str, ...], *, yes: bool) -> None:
    """Ask the person to type one of `names`. With `yes`, do not ask. `what` is the sentence that says what will happen.

    Raises RunbookError VD-INSTANCE-007 if the person types another name, or if there is no terminal to ask on.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise publisher.NOT_CONFIRMED.error("there is no terminal", target=names[0])
    sys.stderr.write(f"{what}\nTo go on, type the instance's {'name or id' if len(names) > 1 else 'id'}: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() not in names:
        raise publisher.NOT_CONFIRMED.error("another name was given", target=names[0])
