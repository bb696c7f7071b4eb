"""Over TLS, with a certificate that was made for this machine: trusted it is spoken to, not trusted nothing is said."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from alert_receivers import SECRET, http_receiver, mail_receiver
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tally.alerts import try_channels
from tally.settings import Settings


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and its own certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("certificate") / "both.pem"
    as_text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(as_text + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.mark.parametrize("is_trusted", [True, False])
def test_tls_is_spoken_to_whom_we_trust_and_nobody_else(
    certificate: Path, is_trusted: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nobody = tmp_path / "nobody.pem"
    nobody.write_text("")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate if is_trusted else nobody))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with http_receiver(context) as hook, mail_receiver(context) as mailbox:
        settings = Settings.model_validate(
            {
                "TALLY_ALERT_WEBHOOK_URL": f"{hook.url}/hook",
                "TALLY_ALERT_WEBHOOK_SECRET": SECRET,
                "TALLY_ALERT_EMAIL_TO": "a@example.com",
                "TALLY_ALERT_EMAIL_FROM": "tally@example.com",
                "TALLY_SMTP_URL": f"smtp://127.0.0.1:{mailbox.port}",
                "TALLY_ALERT_ALLOW_PRIVATE": "on",
            }
        )
        faults = [trial.fault for trial in try_channels(settings)]
        if is_trusted:
            assert faults == [None, None]
        else:
            assert [fault.partition(":")[0] for fault in faults if fault] == ["the certificate is not good"] * 2
        assert (len(hook.posts), len(mailbox.mails)) == ((1, 1) if is_trusted else (0, 0))
