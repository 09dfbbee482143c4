"""Run the lines of docs/publishing.md that convert a certificate request, exactly as they are written there."""

import base64
import re
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

PAGE = Path(__file__).resolve().parents[2] / "docs" / "publishing.md"
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Vibedata Release Signing")])


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)])
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_a_request_as_the_vault_prints_it_becomes_one_that_openssl_reads(
    tmp_path: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, end: str
) -> None:
    request = x509.CertificateSigningRequestBuilder().subject_name(NAME).sign(key, hashes.SHA256())
    (tmp_path / "csr.b64").write_bytes(base64.b64encode(request.public_bytes(Encoding.DER)) + end.encode())
    lines = re.findall(r"^ +(\{ echo .* > csr\.pem|openssl req .*)$", PAGE.read_text(), re.MULTILINE)
    assert len(lines) == 2
    done = subprocess.run(
        ["sh", "-e", "-c", "\n".join(lines)], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Vibedata Release Signing" in done.stdout
    assert "verify OK" in done.stdout + done.stderr
    assert max(map(len, (tmp_path / "csr.pem").read_text().splitlines())) == 64
