"""What a route of the API is, beside the hot one: the scope it asks for, and the call that it answers."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from ingest.answer import JSON
from ingest.asgi import Headers
from tally.api_keys import CheckedKey


@dataclass(frozen=True)
class Call:
    """One authenticated request. `name` is what the path says in the place of its parameter, decoded; `now` is UTC."""

    key: CheckedKey
    now: datetime
    name: str
    query: Mapping[str, str]
    body: Callable[[], Awaitable[bytes]]


@dataclass(frozen=True)
class Reply:
    """An answer."""

    body: bytes
    status: int = 200
    headers: Headers = ()
    media_type: bytes = JSON


@dataclass(frozen=True)
class Route:
    """`path` is a template with at most one parameter: `{key}` takes the rest of the path, any other one segment."""

    method: str
    path: str
    scope: str
    handle: Callable[[Call], Awaitable[Reply]]
    parameters: tuple[str, ...] = ()
