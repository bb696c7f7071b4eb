"""A mail a notice, by SMTP. How the connection is secured is the scheme of TALLY_SMTP_URL."""

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from tally.alerts.message import Message, NotDelivered
from tally.errors import SettingsError

TIMEOUT_SECONDS = 8
_PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25}


class Mail:
    """The channel of TALLY_ALERT_EMAIL_TO."""

    name = "email"

    def __init__(self, url: SecretStr, sender: str, recipients: list[str]) -> None:
        """`url` is smtp://, smtps:// or smtp+plain:// with a host; anything else is a SettingsError."""
        parts = urlsplit(url.get_secret_value())
        if parts.scheme not in _PORTS or not parts.hostname:
            raise SettingsError("TALLY_SMTP_URL: give smtp://, smtps:// or smtp+plain:// with a host")
        if parts.password and parts.scheme == "smtp+plain":
            raise SettingsError("TALLY_SMTP_URL: a password is not sent without TLS: use smtp:// or smtps://")
        self._scheme = parts.scheme
        self._host = parts.hostname
        self._port = parts.port or _PORTS[parts.scheme]
        self._user = unquote(parts.username or "")
        self._password = SecretStr(unquote(parts.password or ""))
        self._sender = sender
        self._recipients = recipients

    def send(self, message: Message) -> None:
        """As `Channel.send`. Taken by one recipient's server of several is taken."""
        mail = EmailMessage()
        mail["Subject"] = " ".join(message.headline.split())
        mail["From"] = self._sender
        mail["To"] = ", ".join(self._recipients)
        mail["Date"] = formatdate(usegmt=True)
        mail["Message-ID"] = make_msgid(f"tally-{message.delivery_id}", domain="tallyledger.invalid")
        mail.set_content(message.text)
        try:
            with self._connected() as server:
                if self._user:
                    server.login(self._user, self._password.get_secret_value())
                server.send_message(mail)
        except smtplib.SMTPResponseException as error:
            raise NotDelivered(f"the mail server answered {error.smtp_code}") from None
        except ssl.SSLCertVerificationError as error:
            raise NotDelivered(f"the certificate is not good: {error.verify_message}") from None
        except ssl.SSLError as error:
            schemes = "smtps:// is TLS from the first byte, smtp:// asks for it on the connection"
            raise NotDelivered(f"no TLS with the mail server ({error.reason}): {schemes}") from None
        except smtplib.SMTPNotSupportedError as error:
            raise NotDelivered(f"the mail server cannot do it: {error}") from None
        except (smtplib.SMTPException, OSError) as error:
            raise NotDelivered(f"the mail server did not take it: {type(error).__name__}") from None

    def _connected(self) -> smtplib.SMTP:
        if self._scheme == "smtps":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self._host, self._port, timeout=TIMEOUT_SECONDS, context=context)
        server = smtplib.SMTP(self._host, self._port, timeout=TIMEOUT_SECONDS)
        if self._scheme == "smtp":
            try:
                server.starttls(context=ssl.create_default_context())
            except (smtplib.SMTPException, OSError):
                server.close()
                raise
        return server
