"""Which account and mode a request belongs to: the key says test or live, a header may name another account."""

import base64
import binascii
import re
from collections.abc import Mapping

from stripe_sandbox.errors import StripeError

KEY = re.compile(r"^(?:sk|rk)_(test|live)_\w+$")
ACCOUNT = re.compile(r"^acct_\w+$")
VERSION = re.compile(r"^\d{4}-\d{2}-\d{2}(\.\w+)?$")


def namespace_of(headers: Mapping[str, str]) -> str:
    """`test` or `live`, with the account where one is named. Nothing is visible across them."""
    match = KEY.match(_api_key(headers.get("authorization", "")))
    if match is None:
        message = "Invalid API Key provided." if headers.get("authorization") else "You did not provide an API key."
        raise StripeError(message, status=401)
    account = headers.get("stripe-account") or headers.get("stripe-context")
    if account is None:
        return match[1]
    if not ACCOUNT.match(account):
        raise StripeError(f"The account '{account}' does not exist.", status=403, code="account_invalid")
    return f"{match[1]}:{account}"


def check_version(version: str) -> None:
    if not VERSION.match(version):
        raise StripeError(f"Invalid Stripe API version: {version}")


def _api_key(authorization: str) -> str:
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""
