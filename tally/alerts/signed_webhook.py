"""A POST of the alert as JSON, signed: the receiver knows who sent it, and when."""

import hashlib
import hmac
import json
import time

from pydantic import SecretStr

from tally.alerts.message import Message
from tally.alerts.posting import post_json

SIGNATURE_HEADER = "Tally-Signature"


class SignedWebhook:
    """The channel of TALLY_ALERT_WEBHOOK_URL."""

    name = "webhook"

    def __init__(self, url: SecretStr, secret: SecretStr, *, allow_private: bool) -> None:
        self._url = url
        self._secret = secret
        self._allow_private = allow_private

    def send(self, message: Message) -> None:
        """As `Channel.send`."""
        body = json.dumps(message.document()).encode()
        headers = {
            SIGNATURE_HEADER: signature(self._secret.get_secret_value(), body, int(time.time())),
            "Tally-Delivery": str(message.delivery_id),
            "User-Agent": "tallyledger",
        }
        post_json(self._url, body, headers, allow_private=self._allow_private)


def signature(secret: str, body: bytes, signed_at: int) -> str:
    """`t=<unix seconds>,v1=<hex>`: HMAC-SHA256 of `<t>.<body>`. The real time, whatever clock the alert is dated by."""
    signed = hmac.new(secret.encode(), f"{signed_at}.".encode() + body, hashlib.sha256)
    return f"t={signed_at},v1={signed.hexdigest()}"
