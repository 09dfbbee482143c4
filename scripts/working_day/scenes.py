"""What happens on the day, scene by scene, and what the operator types."""

import contextlib
import io
import json
import os
import pkgutil
from collections.abc import Callable, Sequence
from typing import Any

from scripts.demo import images as demo_images
from scripts.demo import release as demo_release
from scripts.working_day.player import COLUMNS, Day, DayError
from vibedata import cli, commands, lab_process
from vibedata.session import open_session

FIRST, NEXT = "2026.11.0", "2026.12.0"
CONTOSO, FABRIKAM, NORTHWIND = "contoso1", "fabrikam", "northwnd"
# Of the demo's release, what a reader can take in.
KEPT = ("control-panel", "studio", "api-service", "api-gateway", "database", "gateway", "vault", "storage")
TOKEN = "publisher-acr-token"  # noqa: S105 - a secret's name
VALIDATION = f"vibedata verify-release {NEXT} --bicep infra"


def morning(day: Day) -> None:
    """Record three instances. One of them is in the lab; the other two have been bought and are not there yet."""
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
    """A component falls ill, is found, and is well again."""
    day.happens("POST", "/applications", {"name": "studio", "mode": "status", "status": 503})
    day.types(f"vibedata invoke check_health --instance {CONTOSO}")
    day.types(f"vibedata status --instance {CONTOSO}")
    day.happens("POST", "/applications", {"name": "studio", "mode": "healthy"})


def disabled_secret(day: Day) -> None:
    """An administrator of the customer disables the token's secret."""
    _enable(enabled=False)
    day.types(f"vibedata invoke check_health --instance {CONTOSO}")
    day.types(f"vibedata preflight --only-here --instance {CONTOSO}", code=1)
    _enable(enabled=True)


def interrupted_rotation(day: Day) -> None:
    """Ctrl-C while a rotation is under way. The same command goes on with it."""
    line = f"vibedata rotate-hmac --instance {CONTOSO}"
    day.types(line, code=cli.INTERRUPTED, until="stage")
    day.types(line)
    day.types(f"vibedata status --instance {CONTOSO}")


def new_release(day: Day) -> None:
    """Build, push and validate the next release, and see what it would change at the first instance."""
    definition = json.loads((day.folder / "release.json").read_text(encoding="utf-8"))
    definition["version"] = NEXT
    (day.folder / "release.json").write_text(json.dumps(definition, indent=2) + "\n", encoding="utf-8")
    infra = day.folder / "infra"
    infra.mkdir()
    (infra / "apps.bicep").write_text(_BICEP, encoding="utf-8")
    day.types("vibedata release pin release.json --plan")
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
    day.types(f"vibedata deploy --instance {CONTOSO}")


def typing_errors(day: Day) -> None:
    """One word of each command is typed wrongly. These need no lab, so they are typed in this process."""
    for line in _mistyped():
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), _width():
            code = cli.main(line.split()[1:])
        if code != cli.USAGE:
            raise DayError(f"{line}: exit code {code}\n{said.getvalue()}")
        day.shows(line, said.getvalue())
    day.types("vibedata status --instance contosoo", code=2)
    day.types(f"vibedata invoke chek_health --instance {CONTOSO}", code=1)


@contextlib.contextmanager
def _width() -> Any:
    former = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(COLUMNS)
    try:
        yield
    finally:
        if former is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = former


def _mistyped() -> list[str]:
    """Return a line for each command, each with a letter that is missing or too much."""
    names = sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(commands.__path__))
    return [f"vibedata {name[:-2]}{name[-1]}{name[-2]}" for name in names]


def prepare(day: Day) -> None:
    """Bring the first release to the publisher's, before the day begins."""
    environ = day.environ
    recipes = tuple(each for each in demo_images.RECIPES if each.name in KEPT)
    images = demo_images.push_all(
        container_registry=environ["VIBEDATA_PUBLISHER_REGISTRY"],
        username=environ["VIBEDATA_PUBLISHER_REGISTRY_USERNAME"],
        password=environ["VIBEDATA_PUBLISHER_REGISTRY_PASSWORD"],
        report=day.tell,
        recipes=recipes,
    )
    definition = demo_release.definition(images)
    kept = [each for each in definition["components"] if each["name"] in KEPT]
    definition["components"] = [
        {**each, "depends_on": [name for name in each["depends_on"] if name in KEPT]} for each in kept
    ]
    definition["version"] = FIRST
    (day.folder / "release.json").write_text(json.dumps(definition, indent=2) + "\n", encoding="utf-8")
    before = len(day.page)
    day.types("vibedata build --release release.json --out dist")
    day.types("vibedata push dist")
    del day.page[before:]


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
# Title, what a reader should know, and what happens.
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
        "The operator presses Ctrl-C while the HMAC key is rotated, and types the same command again.",
        interrupted_rotation,
    ),
    (
        "A new release",
        "The pipeline builds, pushes and validates the next release. The first time, a Bicep file has a literal image"
        " tag. Then Contoso gets the release.",
        new_release,
    ),
    ("A typing error in each command", "Nothing is started. Each answer names what was meant.", typing_errors),
)
