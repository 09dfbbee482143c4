"""The settings of a former job, as its arguments show them."""

import pytest

from runbook_lib.automation.proof import had_settings
from runbook_lib.run.parameters import encode

OWN = {"prefix": "vd1"}


@pytest.mark.parametrize(
    ("arguments", "settings", "had"),
    [
        ((encode({"settings": OWN}),), OWN, True),
        ((encode({"settings": OWN}),), {}, False),
        ((encode({"correlation_id": "x"}),), {}, True),
        # A schedule gives no argument. So such a job had only the account's settings.
        ((), {}, True),
        ((), OWN, False),
        (("",), {}, False),
        (("[]",), OWN, False),
        ((encode({"settings": OWN}), encode({"settings": {"prefix": "other"}})), OWN, False),
        ((encode({"settings": [1]}),), {}, False),
    ],
)
def test_a_job_proves_only_the_settings_that_it_had(
    arguments: tuple[str, ...], settings: dict[str, str], had: bool
) -> None:
    assert had_settings(arguments, settings) is had
