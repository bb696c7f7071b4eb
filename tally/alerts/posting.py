"""A notice by HTTP: taken when it is answered 2xx, anything else is a reason to try again."""

import ssl

import httpcore
from pydantic import SecretStr

from tally.alerts.message import NotDelivered
from tally.alerts.outside import AddressRefused, post

_REFUSALS = {
    httpcore.TimeoutException: "no answer in time",
    httpcore.NetworkError: "no connection",
    httpcore.ProtocolError: "the answer is not HTTP",
    httpcore.UnsupportedProtocol: "the address is no URL",
}


def post_json(url: SecretStr, body: bytes, headers: dict[str, str], *, allow_private: bool) -> None:
    """POST it.

    Raises:
        NotDelivered: refused, not reached, or answered with anything but 2xx.
    """
    try:
        answer = post(url.get_secret_value(), body, headers, allow_private=allow_private)
    except AddressRefused as error:
        raise NotDelivered(str(error)) from None
    except tuple(_REFUSALS) as error:
        # httpcore raises `from None`, and the context is what is left of the cause.
        if isinstance(error.__context__, ssl.SSLCertVerificationError):
            raise NotDelivered(f"the certificate is not good: {error.__context__.verify_message}") from None
        raise NotDelivered(next(why for kind, why in _REFUSALS.items() if isinstance(error, kind))) from None
    if not 200 <= answer.status < 300:
        raise NotDelivered(f"answered {answer.status}", answer.retry_after)
