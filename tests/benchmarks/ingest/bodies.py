"""The events that are sent, and the same events as lines of COPY text."""

from datetime import UTC, datetime

from tests.benchmarks.ingest.plan import REQUEST_ID_CHARACTERS

TENANT = "acme"
METRICS = ("api_calls", "gigabytes", "seats")
PLACEHOLDER = b"@" * REQUEST_ID_CHARACTERS


def body(events: int) -> bytes:
    """A JSON body with PLACEHOLDER wherever the request's id goes."""
    if events == 1:
        return _event(0)
    return b'{"events":[' + b",".join(_event(number) for number in range(events)) + b"]}"


def copy_lines(events: int) -> bytes:
    """The rows of `body(events)`, columns as the door lands them, with PLACEHOLDER for the request's id."""
    return b"".join(b"%b\t%b\t%b\t%b\t%b\t%b\t%b\n" % (TENANT.encode(), *_values(number)) for number in range(events))


def request_id(run: str, client: int, number: int) -> bytes:
    """Unlike any other of the same table."""
    return f"{run}{client:03x}{number:07x}".encode()


def _event(number: int) -> bytes:
    return (
        b'{"idempotency_key":"%b","customer_ref":"%b","metric":"%b","quantity":%b,"event_time":"%b","properties":%b}'
        % _values(number)
    )


def _values(number: int) -> tuple[bytes, ...]:
    now = datetime.now(UTC).replace(microsecond=(number * 7919) % 1_000_000)
    return (
        PLACEHOLDER + b"-%04d" % number,
        b"customer-%d" % (number * 31 % 500),
        METRICS[number % len(METRICS)].encode(),
        b"%d.%d" % (number % 1000, number % 10),
        now.isoformat(timespec="microseconds").replace("+00:00", "Z").encode(),
        b'{"region":"eu-west-1","status":%d}' % (200 + number % 5),
    )
