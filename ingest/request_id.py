"""Request ids: the caller's own `X-Request-Id` when it is usable, else a new one."""

import re
import secrets
from itertools import count

_USABLE = re.compile(rb"[!-~]{1,128}")
_PREFIX = secrets.token_hex(6)
_numbers = count(1)


def request_id(given: bytes | None) -> str:
    """1..128 printable ASCII characters, unique among the processes of a door unless the caller chose it."""
    if given is not None and _USABLE.fullmatch(given):
        return given.decode("ascii")
    return f"{_PREFIX}-{next(_numbers):x}"
