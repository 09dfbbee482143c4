"""The scenes of the day: what happens, and what the operator types."""

import json
import os
import pkgutil
import re
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from publisher.rotation.acr_token_credential import TABLE
from publisher.rotation.record import RotationRecords
from publisher.session import operator_tables
from runbook_lib.basics.clock import SYSTEM_CLOCK, rfc3339
from runbook_lib.rotation.versions import OVERLAP_SECONDS
from scripts.working_day.player import Day, DayError
from vibedata import cli, commands, lab_process
from vibedata.session import open_session

FIRST, NEXT = "2026.11.0", "2026.12.0"
CONTOSO, FABRIKAM, NORTHWIND = "contoso1", "fabrikam", "northwnd"
# The first component answers requests. Azure knows the health of the second one.
COMPONENTS: Sequence[Mapping[str, Any]] = (
    {
        "name": "studio",
        "type": "application",
        "resource_type": "Microsoft.App/containerApps",
        "depends_on": ["database"],
        "health": {"kind": "http", "path": "/healthz", "expected_status": 200, "timeout_seconds": 5},
    },
    {
        "name": "database",
        "type": "infrastructure",
        "resource_type": "Microsoft.DBforPostgreSQL/flexibleServers",
        "depends_on": [],
        "health": {"kind": "arm", "timeout_seconds": 10},
    },
)
RESOURCES = {"studio": "studio", "database": "vibedata-postgres"}
TOKEN = "publisher-acr-token"  # noqa: S105 - a secret's name
VALIDATION = f"vibedata verify-release {NEXT} --bicep infra"


def morning(day: Day) -> None:
    """Record three instances. One of them is in the lab. The other two have been bought and do not exist yet."""
    document = json.loads((day.lab.directory / "instance.json").read_text(encoding="utf-8"))
    for number, (name, shown) in enumerate(
        ((CONTOSO, "Contoso B.V."), (FABRIKAM, "Fabrikam Inc."), (NORTHWIND, "Northwind"))
    ):
        own: dict[str, Any] = {**document, "id": name, "display_name": shown}
        if number:
            subscription = f"0000000{number}-0000-4000-8000-000000000000"
            own["subscription_id"] = subscription
            own["application_id"] = str(document["application_id"]).replace(document["subscription_id"], subscription)
        (day.folder / f"{name}.json").write_text(json.dumps(own, indent=2) + "\n", encoding="utf-8")
        day.types(f"vibedata instance add {name}.json")
    day.types("vibedata instance list")


def deployment(day: Day) -> None:
    """Deploy the release to the first instance."""
    day.types(f"vibedata deploy --instance {CONTOSO}")
    day.types(f"vibedata status --instance {CONTOSO}")
    day.types("vibedata fleet status")


def illness(day: Day) -> None:
    """A component becomes ill. The operator finds it, and it becomes well again."""
    day.happens("POST", "/applications", {"name": "studio", "mode": "status", "status": 503})
    day.types(f"vibedata invoke check_health --instance {CONTOSO}")
    day.types(f"vibedata status --instance {CONTOSO}")
    day.happens("POST", "/applications", {"name": "studio", "mode": "healthy"})


def disabled_secret(day: Day) -> None:
    """An administrator of the customer disables the token's secret."""
    _enable(enabled=False)
    day.types(f"vibedata invoke check_health --instance {CONTOSO}")
    day.types(f"vibedata status --instance {CONTOSO}")
    _enable(enabled=True)


def interrupted_rotation(day: Day) -> None:
    """Interrupt a rotation with Ctrl-C. `rotate --due` continues it."""
    line = f"vibedata rotate-acr-token --instance {CONTOSO}"
    day.types_and_leaves(line, at="rotate_acr_token: job ", by=signal.SIGINT)
    day.jobs_end()
    day.types("vibedata rotate --due")
    day.say(
        "Four hours later nobody uses the former token any more. (The script does not wait: it moves the rotation's"
        " record back in time.)"
    )
    _four_hours_later(day)
    day.types("vibedata rotate --due")
    day.types("vibedata rotate --due")


def lost_terminal(day: Day) -> None:
    """Close the terminal while a job runs. Then the line that the command printed follows the job again."""
    line = f"vibedata invoke check_health --instance {CONTOSO}"
    said = day.types_and_leaves(line, at="check_health: job ", by=signal.SIGHUP)
    told = re.search("`(vibedata logs [^`]*)`", said)
    if told is None:
        raise DayError(f"it does not say how the job is taken up again:\n{said}")
    day.jobs_end()
    day.types(told[1])
    day.types(f"vibedata jobs --limit 2 --instance {CONTOSO}")


def new_release(day: Day) -> None:
    """Build, push and validate the next release, and show what it would change at the first instance."""
    _define(day, NEXT)
    infra = day.folder / "infra"
    infra.mkdir()
    (infra / "apps.bicep").write_text(_BICEP, encoding="utf-8")
    day.types("vibedata build --release release.json --out dist")
    day.types("vibedata push dist")
    names = lab_process.control(day.lab, "GET", "/names")
    token = {
        "VIBEDATA_PUBLISHER_REGISTRY_USERNAME": names["publisher_token_username"],
        "VIBEDATA_PUBLISHER_REGISTRY_PASSWORD": json.loads(_secret())["password"],
    }
    day.types(VALIDATION, code=1, environ=token)
    (infra / "apps.bicep").write_text(_BICEP.replace(" = 'vibedata/studio:1.0.0'", ""), encoding="utf-8")
    day.types(VALIDATION, environ=token)
    day.types(f"vibedata deploy --plan --instance {CONTOSO}")


def typing_errors(day: Day) -> None:
    """Type one word of each command wrongly."""
    names = sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(commands.__path__))
    for name in names:
        day.types(f"vibedata {name[:-2]}{name[-1]}{name[-2]}", code=cli.USAGE)
    day.types("vibedata status --instance contosoo", code=cli.USAGE)
    day.types(f"vibedata invoke chek_health --instance {CONTOSO}", code=1)


def prepare(day: Day) -> None:
    """Bring the first release to the publisher before the day begins."""
    _define(day, FIRST)
    before = len(day.page)
    day.types("vibedata build --release release.json --out dist")
    day.types("vibedata push dist")
    del day.page[before:]


def _define(day: Day, version: str) -> None:
    components = [{**each, "version": version, "resource_name": RESOURCES[str(each["name"])]} for each in COMPONENTS]
    definition = {
        "version": version,
        "channel": "stable",
        "valid_days": 365,
        "images": [],
        "components": components,
        "policies": {"networkRetryPolicies": {"max_retries": 3, "delay_seconds": 2}},
    }
    (day.folder / "release.json").write_text(json.dumps(definition, indent=2) + "\n", encoding="utf-8")


def _four_hours_later(day: Day) -> None:
    """Set the rotation's record back in time, so that the overlap is over and nobody has to wait for it."""
    instance = json.loads((day.folder / f"{CONTOSO}.json").read_text(encoding="utf-8"))
    records = RotationRecords(operator_tables(os.environ, SYSTEM_CLOCK), TABLE)
    newest = records.newest(instance["id"])
    if newest is None or not newest.promoted_at:
        raise DayError(f"the new token is not in use: {newest}")
    long_ago = datetime.now(timezone.utc) - timedelta(seconds=OVERLAP_SECONDS + 3600)
    if not records.change(replace(newest, promoted_at=rfc3339(long_ago))):
        raise DayError("somebody else has changed the rotation's record")


def _enable(*, enabled: bool) -> None:
    open_session().clients.secrets.update_secret_properties(TOKEN, enabled=enabled)


def _secret() -> str:
    return open_session().clients.secrets.get_secret(TOKEN).value or ""


_BICEP = """\
param location string
param studioImage string = 'vibedata/studio:1.0.0'
param prefix string

resource studio 'Microsoft.App/containerApps@2026-01-01' = {
  name: '${prefix}-studio'
  location: location
  properties: { template: { containers: [{ name: 'studio', image: studioImage }] } }
}
"""
# For each scene: the title, an introduction for the reader, and the function that plays it.
SCENES: Sequence[tuple[str, str, Callable[[Day], None]]] = (
    (
        "Three instances",
        "Three customers have bought Vibedata. Contoso's managed application is there. Fabrikam's and Northwind's are"
        " recorded, and their customers have not created them yet.",
        morning,
    ),
    ("The first deployment", "Contoso's instance gets the release that the publisher offers.", deployment),
    ("A component falls ill", "Studio answers with status 503.", illness),
    (
        "A disabled secret",
        "An administrator at Contoso disables the secret `publisher-acr-token` in the Key Vault.",
        disabled_secret,
    ),
    (
        "An interrupted rotation",
        "The operator rotates the token for the publisher's container registry and presses Ctrl-C. `vibedata rotate"
        " --due` goes on with the rotation.",
        interrupted_rotation,
    ),
    (
        "A lost terminal",
        "The operator's connection breaks while a job runs. The command ends, the job goes on, and the line that the"
        " command printed shows it again.",
        lost_terminal,
    ),
    (
        "A new release",
        "The pipeline builds, pushes and validates the next release. The first time, a Bicep file has a literal image"
        " tag. Then the operator looks at what the release would change at Contoso.",
        new_release,
    ),
    ("A typing error in each command", "Nothing is started. Each answer names what was meant.", typing_errors),
)
