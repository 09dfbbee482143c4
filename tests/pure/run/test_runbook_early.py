"""A run that ends before it has used any service still ends with its result."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from runbook_lib.run.parameters import CommonParameters, encode
from runbook_lib.runbook import Runbook, main

CANARY = "canary-1b2c3d/identity-header"


@dataclass(frozen=True, kw_only=True)
class Parameters(CommonParameters):
    release_tag: str = field(default="latest", metadata={"help": "the release to install"})


def never(*_: object) -> Any:
    raise AssertionError("nothing is looked at")


RUNBOOK: Runbook[Parameters, None] = Runbook(
    name="sample", summary="a sample", parameters=Parameters, observe=never, plan=never, actions=never
)


def run(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[int, list[str]]:
    stream = io.BytesIO()
    code = main(RUNBOOK, argv, environ, stream=stream)
    return code, stream.getvalue().decode().splitlines()


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["--no-such-thing", "1"], "VD-PARAM-001"),
        ([encode({"release_tag": 7})], "VD-PARAM-002"),
        (["%%%"], "VD-PARAM-003"),
        ([encode({"settings": {"nowhere": "x"}})], "VD-SETTINGS-003"),
        ([encode({"settings": {"prefix": "Not a prefix"}})], "VD-SETTINGS-002"),
        ([encode({"settings": {"blob_endpoint": "https://elsewhere.example"}})], "VD-SETTINGS-004"),
        ([], "VD-SETTINGS-001"),
    ],
)
def test_bad_input_exits_2_with_a_result(argv: list[str], error: str, capfd: pytest.CaptureFixture[str]) -> None:
    code, lines = run(argv, {})
    assert code == 2
    result = json.loads(lines[-1])
    assert (result["status"], result["error"]["code"]) == ("failed", error)
    assert result["run_id"] != result["correlation_id"] != ""
    assert any(line.startswith(f"ERROR: {error}") for line in lines)
    assert capfd.readouterr() == ("", "")


def test_help_is_help_and_no_result() -> None:
    code, lines = run(["--help"], {})
    assert code == 0
    assert "--release-tag" in "\n".join(lines)
    assert not lines[-1].startswith("{")


def test_the_identity_header_is_a_secret() -> None:
    code, lines = run([f"--{CANARY}", "x"], {"IDENTITY_HEADER": CANARY})
    assert code == 2
    assert CANARY not in "\n".join(lines)
    assert "***" in lines[-1]
