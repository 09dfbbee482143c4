"""`vibedata instance add|list|show|edit|remove`: the publisher's instances and their documents."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from publisher.instances.document import changed, document_of
from publisher.instances.precedence import check_host
from publisher.instances.store import Instances, Row
from publisher.session import operator_tables
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.errors import RunbookError, publisher
from runbook_lib.errors import run as run_errors
from vibedata.instances import confirmation
from vibedata.instances.choice import find, from_file, no_such
from vibedata.instances.confirmation import confirm
from vibedata.instances.differences import Difference, as_text, differences
from vibedata.output import show, table

EXAMPLES = """\
examples:
  vibedata instance add contoso.json --plan    show what it would record; change nothing
  vibedata instance add contoso.json
  vibedata instance list
  vibedata instance show k3v9x2p7              a file works, too: vibedata instance show ./contoso.json
  vibedata instance edit k3v9x2p7 --set ring=early --set settings.publisher_api=https://api.vibedata.ai
  vibedata instance edit k3v9x2p7 --set release=    remove a part
  vibedata instance remove k3v9x2p7            asks for the instance's name
  vibedata instance list --output json

The document's form is publisher/instance-document.schema.json. It is kept in the publisher's table Instances:
VIBEDATA_PUBLISHER_TABLE_ENDPOINT is its address. For the lab, first type: source .lab/lab.env
"""
ACTIONS = {
    "add": "record an instance from its document",
    "list": "list the recorded instances",
    "show": "show an instance's document",
    "edit": "change parts of an instance's document",
    "remove": "remove an instance's document; nothing in the customer's tenant changes",
}
CHANGES = ("add", "edit", "remove")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `instance` to the command line."""
    parser = subparsers.add_parser(
        "instance",
        help="record, list, show, edit and remove instances",
        description="Record, list, show, edit and remove the publisher's instances.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, summary in ACTIONS.items():
        action = actions.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            epilog=EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == "add":
            action.add_argument("file", type=Path, metavar="FILE", help="the instance document")
        elif name != "list":
            meaning = "the instance's id" + (", or the file of a document" if name == "show" else "")
            action.add_argument("id", metavar="ID|FILE" if name == "show" else "ID", help=meaning)
        if name == "edit":
            action.add_argument(
                "--set",
                action="append",
                required=True,
                metavar="NAME=VALUE",
                help="give a part another value; settings.NAME is a setting, and an empty value removes the part",
            )
        if name in CHANGES:
            action.add_argument("--plan", action="store_true", help="show what would change, but change nothing")
        if name == "remove":
            confirmation.add_option(action)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Do the action and return the exit code."""
    actions = {"add": _add, "list": _list, "show": _show, "edit": _edit, "remove": _remove}
    return actions[arguments.action](arguments)


def _add(arguments: argparse.Namespace) -> int:
    instance = from_file(arguments.file)
    known = _table()
    there = known.row(instance.id)
    if there is not None and (there.instance != instance or there.standing == "ended"):
        raise publisher.ID_TAKEN.error(target=instance.id)
    found = differences(there.instance if there else None, instance)
    if found:
        check_host(instance, known.all())
    if found and not arguments.plan:
        known.add(instance)
    return _told(arguments, instance.id, found)


def _list(arguments: argparse.Namespace) -> int:
    rows = list(_table().all())
    good = [(row.instance, row.standing) for row in rows if row.instance is not None]
    troubles = [row.trouble for row in rows if row.trouble is not None]
    shown = [
        (each.id, each.display_name, each.subscription_id, each.managed_resource_group, each.ring, each.release)
        for each, _ in good
    ]
    columns = ("id", "name", "subscription", "resource group", "ring", "release")
    text = table("instances", columns, shown) if shown else "no instance is recorded; `vibedata instance add FILE`\n"
    text += "".join(f"{each.id} is leaving\n" for each, standing in good if standing == "leaving")
    result = {
        "instances": [document_of(each) for each, _ in good],
        "troubles": [trouble.as_json() for trouble in troubles],
    }
    show(arguments.output, result=result, text=text + "".join(f"{trouble}\n" for trouble in troubles))
    return 1 if troubles else 0


def _show(arguments: argparse.Namespace) -> int:
    instance = find(arguments.id, os.environ)
    rows = [(each.part, each.after) for each in differences(None, instance)]
    text = table(instance.display_name, ("part", "value"), rows)
    show(arguments.output, result=document_of(instance), text=text)
    return 0


def _edit(arguments: argparse.Namespace) -> int:
    known = _table()
    row = _row(known, arguments.id)
    if row.instance is None:
        raise row.trouble or publisher.ROW_MALFORMED.error(target=row.key)
    instance = changed(row.instance, dict(map(_pair, arguments.set)))
    found = differences(row.instance, instance)
    if found:
        check_host(instance, known.all())
    if found and not arguments.plan:
        known.change(row, instance)
    return _told(arguments, instance.id, found)


def _remove(arguments: argparse.Namespace) -> int:
    known = _table()
    row = _row(known, arguments.id)
    found = differences(row.instance, None)
    if not arguments.plan:
        name = row.instance.display_name if row.instance else row.key
        what = f"The document of {name} ({row.key}) is removed. Nothing in the customer's tenant changes."
        confirm(what, (name, row.key), yes=arguments.yes)
        known.remove(arguments.id, row)
    return _told(arguments, row.key, found, removed=True)


def _told(arguments: argparse.Namespace, id_: str, found: Sequence[Difference], *, removed: bool = False) -> int:
    """Show what was changed. With a plan, show what would be changed."""
    unchanged = not found and not removed
    status = "unchanged" if unchanged else "planned" if arguments.plan else "succeeded"
    title = {"unchanged": "is as it should be", "planned": "plan: nothing was changed", "succeeded": "changed"}[status]
    text = f"instance {id_}: {title}\n" + ("" if unchanged else as_text(found))
    result = {"status": status, "id": id_, "differences": [asdict(each) for each in found]}
    show(arguments.output, result=result, text=text)
    return 0


def _row(known: Instances, id_: str) -> Row:
    """Return the row that is to be changed or removed. Raises RunbookError VD-INSTANCE-002, -010 (a tombstone)."""
    found = known.row(id_)
    if found is None:
        raise no_such(known, id_)
    if found.standing == "ended":
        raise publisher.INSTANCE_ENDED.error(f"since {found.since}", target=found.key)
    return found


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise _not_a_pair(text)
    return name, value


def _not_a_pair(text: str) -> RunbookError:
    return run_errors.MALFORMED_PARAMETER.error("takes NAME=VALUE", target=text, remedy="Give --set NAME=VALUE.")


def _table() -> Instances:
    return Instances(operator_tables(os.environ, SYSTEM_CLOCK))
