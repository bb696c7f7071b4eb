"""Over TLS, with a certificate that was made for this machine: trusted it is spoken to, not trusted nothing is said."""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import psycopg
import pytest
from alert_receivers import SECRET, http_receiver, mail_receiver
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tally import alerts
from tally.alerts import try_channels
from tally.clock import FixedClock
from tally.finding import Finding
from tally.settings import Settings

HOUR = timedelta(hours=1)
LOST = Finding("run_lost", "tick", "run 1 has not ended", is_global=True)
PEOPLE = {"TALLY_ALERT_EMAIL_TO": "a@example.com", "TALLY_ALERT_EMAIL_FROM": "tally@example.com"}


def certificate_for(file: Path, address: str = "127.0.0.1", ends_in: timedelta = HOUR) -> Path:
    """`file`, with a key and its own certificate for `address`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, file.stem)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 2 * HOUR)
        .not_valid_after(now + ends_in)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    as_text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(as_text + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate_for(tmp_path_factory.mktemp("certificate") / "good.pem")


@pytest.fixture
def trust(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """From now on these certificates are trusted, and no other."""

    def only(*certificates: Path) -> None:
        file = tmp_path / "trusted.pem"
        file.write_bytes(b"".join(each.read_bytes() for each in certificates))
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))

    return only


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
@pytest.mark.parametrize("is_trusted", [True, False])
def test_tls_is_spoken_to_whom_we_trust_and_nobody_else(
    certificate: Path, trust: Callable[..., None], is_trusted: bool, scheme: str
) -> None:
    trust(*([certificate] if is_trusted else []))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with http_receiver(context) as hook, mail_receiver(context, at_once=scheme == "smtps") as mailbox:
        settings = Settings.model_validate(
            PEOPLE
            | {
                "TALLY_ALERT_WEBHOOK_URL": f"{hook.url}/hook",
                "TALLY_ALERT_WEBHOOK_SECRET": SECRET,
                "TALLY_SMTP_URL": f"{scheme}://127.0.0.1:{mailbox.port}",
                "TALLY_ALERT_ALLOW_PRIVATE": "on",
            }
        )
        faults = [trial.fault for trial in try_channels(settings)]
        if is_trusted:
            assert faults == [None, None]
        else:
            assert [fault.partition(":")[0] for fault in faults if fault] == ["the certificate is not good"] * 2
        assert (len(hook.posts), len(mailbox.mails)) == ((1, 1) if is_trusted else (0, 0))


def test_a_mail_stays_owed_until_the_certificate_is_good(
    tenant: psycopg.Connection,
    settings_for: Callable[..., Settings],
    clock: FixedClock,
    certificate: Path,
    trust: Callable[..., None],
    tmp_path: Path,
) -> None:
    elsewhere = certificate_for(tmp_path / "elsewhere.pem", address="127.0.0.2")
    expired = certificate_for(tmp_path / "expired.pem", ends_in=-HOUR)
    stranger = certificate_for(tmp_path / "stranger.pem")
    trust(certificate, elsewhere, expired)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def look(port: int, user: str = "user:hunter22@") -> alerts.Evaluation:
        settings = settings_for(**PEOPLE, TALLY_SMTP_URL=f"smtps://{user}127.0.0.1:{port}")
        clock.at += timedelta(minutes=20)
        return alerts.evaluate(tenant, settings, clock, more=[LOST], looked_at=alerts.DAGSTER_KINDS)

    with mail_receiver(context, at_once=True) as mailbox, mail_receiver() as without_tls:
        wrong = "the certificate is not good: "
        for presented, fault in (
            (stranger, f"{wrong}self-signed certificate"),
            (elsewhere, f"{wrong}IP address mismatch"),
            (expired, f"{wrong}certificate has expired"),
            (None, "no TLS with the mail server"),
        ):
            if presented is not None:
                context.load_cert_chain(presented)
            owed = look(without_tls.port if presented is None else mailbox.port)
            assert (owed.sent, owed.waiting, mailbox.mails) == (0, 1, [])
            [reason] = owed.reasons
            assert reason.startswith(f"email: {fault}")
            assert "hunter22" not in reason
        context.load_cert_chain(certificate)
        # Whom we trust may be asked to log us in; this one knows no logins.
        assert look(mailbox.port).reasons == (
            "email: the mail server cannot do it: SMTP AUTH extension not supported by server.",
        )
        assert look(mailbox.port, user="").sent == 1
        [(_, _, text)] = mailbox.mails
        assert "run 1 has not ended" in text
