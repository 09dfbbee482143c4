"""What tests of publish_runbooks share: the release's scripts, and the requests that write to ARM."""

from urllib.parse import urlsplit

from runbooks import publish_runbooks
from tests.support.installed import sha256_of
from tests.support.runbook_run import Run

PUBLISH = publish_runbooks.RUNBOOK
SCRIPTS = {"alpha": "print('alpha 1')\n", "beta": "print('béta 1')\n"}
PUT_PACKAGE = {"service": "arm", "method": "PUT", "path": "/packages/"}


def arm_writes(done: Run) -> list[str]:
    """Return the last two parts of the path of each request that writes to ARM, in order."""
    entries = [entry for entry in done.requests if entry["service"] == "arm" and entry["method"] in ("PUT", "POST")]
    return ["/".join(urlsplit(entry["path"]).path.split("/")[-2:]) for entry in entries]


def sha256(text: str) -> str:
    return sha256_of(text.encode())
