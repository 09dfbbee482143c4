"""The rig of the issuances' tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificate_rig import CertificateRig, certificate_rig
from tests.support.running_lab import LabUnderTest


@pytest.fixture
def rig(lab: LabUnderTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CertificateRig]:
    with certificate_rig(lab, tmp_path, monkeypatch) as opened:
        yield opened
