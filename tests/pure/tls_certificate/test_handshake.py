"""A gateway's address that cannot be a host's name is refused with its code, before any request."""

import pytest

from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.errors import RunbookError
from runbook_lib.tls_certificate.handshake import served_certificate


@pytest.mark.parametrize("gateway", ["gateway..example", f"{'a' * 64}.example:443"])
def test_a_gateway_that_is_no_name_is_told_as_such(gateway: str) -> None:
    with pytest.raises(RunbookError, match=r"VD-TLS-009|idna") as caught:
        served_certificate(host="k3v9x2p7.vibedata.ai", gateway=gateway, trusted="", clock=SYSTEM_CLOCK)
    assert caught.value.code == "VD-TLS-009"
    assert gateway in caught.value.message
