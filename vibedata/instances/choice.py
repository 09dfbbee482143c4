"""The one place where a command finds out which instance is meant: `--instance`, VIBEDATA_INSTANCE, or the environment.

publisher.instances.precedence decides which settings follow from the document, and which may come from the environment.
"""

import argparse
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from oci.files.reading import FileRefusedError, read_file
from publisher.instances.document import MAX_DOCUMENT_LENGTH, Instance, read
from publisher.instances.precedence import settings_of
from publisher.instances.store import Instances
from publisher.session import operator_tables
from runbook_lib.azure.settings import Settings, load, why_refused
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.errors import RunbookError, publisher
from vibedata.shell_checks import nearest

VARIABLE = "VIBEDATA_INSTANCE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """The customer whose instance a command works on.

    Attributes:
        instance: The instance's document, None if only the environment gives the settings.
        settings: The settings of the instance.
        option: The option that a printed command needs to work on the same instance, such as ` --instance k3v9x2p7`, ""
            if it needs none.
    """

    settings: Settings
    instance: Instance | None
    option: str = ""

    def __str__(self) -> str:
        """Return the words for the first line of a command."""
        where = f"subscription {self.settings.subscription_id}, resource group {self.settings.resource_group}"
        return where if self.instance is None else f"{self.name}, {where}"

    @property
    def name(self) -> str:
        """Return the name that people use."""
        if self.instance is None:
            return f"resource group {self.settings.resource_group}"
        return f"{self.instance.display_name} ({self.instance.id})"

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names that confirm the instance. A person may type any of them."""
        id_ = self.settings.instance_id
        return (id_,) if self.instance is None else (self.instance.display_name, id_)

    def as_field(self) -> dict[str, object]:
        """Return the member `instance` of a command's JSON."""
        about = {
            "id": self.settings.instance_id,
            "display_name": None if self.instance is None else self.instance.display_name,
            "subscription_id": self.settings.subscription_id,
            "resource_group": self.settings.resource_group,
        }
        return {"instance": about}


def add_option(parser: argparse.ArgumentParser, *, without: str = "the VIBEDATA_* settings alone") -> None:
    """Add `--instance` to a command that works on a customer's instance.

    `without` says in words what the command works on if nothing names an instance.
    """
    parser.add_argument(
        "--instance",
        metavar="ID|FILE",
        default="",
        help="whose instance: an id in the publisher's table Instances, or the file of an instance document (default:"
        f" {VARIABLE}, or else {without})",
    )


def choose(wanted: str, environ: Mapping[str, str]) -> Customer:
    """Return the customer whose instance is meant. `wanted` is the value of `--instance`, "" if it is not given.

    Raises:
        RunbookError: VD-INSTANCE-001, -002, -003, -006, -008, VD-SETTINGS-*, VD-IDENTITY-*.
        azure.core's errors: The publisher's table cannot be read.
    """
    option = f" --instance {shlex.quote(wanted)}" if wanted else ""
    wanted = wanted or environ.get(VARIABLE, "")
    if not wanted:
        return Customer(settings=load({}, environ, None), instance=None)
    instance = find(wanted, environ)
    return Customer(settings=settings_of(instance, environ), instance=instance, option=option)


def option_at(instance: Instance, given: str, environ: Mapping[str, str]) -> str:
    """Return Customer.option for one of the instances that a command works on.

    given: the value of `--instance`, "" if it is not given.
    """
    if given:
        return f" --instance {shlex.quote(given)}"
    # The variable may name a file. Then no table has this instance.
    return "" if environ.get(VARIABLE) else f" --instance {instance.id}"


def find(wanted: str, environ: Mapping[str, str]) -> Instance:
    """Return the instance with an id, or the instance in a file. A word that does not have the form of an id is a path.

    Raises what `choose` raises.
    """
    if not is_id(wanted):
        return from_file(Path(wanted))
    known = Instances(operator_tables(environ, SYSTEM_CLOCK))
    try:
        return known.instance(wanted)
    except RunbookError as error:
        raise no_such(known, wanted) if error.is_(publisher.NO_SUCH_INSTANCE) else error from error


def no_such(known: Instances, wanted: str) -> RunbookError:
    """Return the error VD-INSTANCE-002. It suggests a known instance with a similar id."""
    hint = nearest(wanted, [row.key for row in known.all()])
    return publisher.NO_SUCH_INSTANCE.error(hint.removeprefix(" - "), target=wanted)


def is_id(wanted: str) -> bool:
    """Return whether a word has the form of an instance's id."""
    return not why_refused("instance_id", wanted)


def from_file(path: Path) -> Instance:
    """Return the instance that a file describes. Raises RunbookError VD-INSTANCE-001, -008."""
    try:
        content = read_file(path, max_bytes=MAX_DOCUMENT_LENGTH)
    except FileRefusedError as error:
        raise publisher.DOCUMENT_UNREADABLE.error(str(error), target=str(path)) from error
    return read(content, source=str(path))


def announce(customer: Customer) -> None:
    """Write the first line of a command, which names the instance. With `--output json` it goes to standard error."""
    sys.stderr.write(f"{'instance ' if customer.instance else ''}{customer}\n")
    sys.stderr.flush()
