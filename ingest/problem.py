"""The one shape of every error that concerns a whole request: RFC 9457 problem details."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec

MEDIA_TYPE = b"application/problem+json"


class Problem(Exception):
    """A request is refused as a whole. `code` is for programs and never changes, `detail` is for people.

    `members` are further members of the answer, `headers` further headers of it.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers
        self.members: Mapping[str, Any] = members

    def body(self, request_id: str) -> bytes:
        """The answer's JSON."""
        return msgspec.json.encode(
            {
                "type": f"urn:tallyledger:problem:{self.code}",
                "title": HTTPStatus(self.status).phrase,
                "status": self.status,
                "detail": self.detail,
                "request_id": request_id,
                **self.members,
            }
        )


def fault() -> Problem:
    """500: a fault of the door's own."""
    return Problem(500, "fault", "the door failed to answer; its log has the cause under this request id")


def unauthorized(code: str, detail: str) -> Problem:
    """401: the key is missing, unknown, expired or revoked."""
    return Problem(401, code, detail, ((b"www-authenticate", b'Bearer realm="tallyledger"'),))


def unavailable(code: str, detail: str, landed: str) -> Problem:
    """503: try again. `landed` is "nothing" or "unknown"; either way the same keys sent again count once."""
    return Problem(503, code, detail, ((b"retry-after", b"1"),), landed=landed)
