"""The programs that the lab runs."""

import json
import subprocess

from lab.machine import tools

LOADED = "console.log(JSON.stringify(Object.keys(require('applicationinsights'))))"


def test_azurite_runs_without_the_library_of_its_telemetry() -> None:
    node, *options, script = tools.azurite().command
    assert script.endswith("azurite.js")

    def loaded(*words: str) -> list[str]:
        done = subprocess.run(
            [node, *words, "-e", LOADED], cwd=tools.TOOLS, capture_output=True, text=True, timeout=60, check=True
        )
        return list(json.loads(done.stdout))

    assert "TelemetryClient" in loaded()
    assert loaded(*options) == []
