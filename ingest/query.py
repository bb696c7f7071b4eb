"""The query string of a request: each parameter known and given once, and no other tenant named."""

from collections.abc import Collection, Mapping
from urllib.parse import parse_qsl

from ingest.problem import Problem


def query_of(raw: bytes, tenant_id: str, taken: Collection[str]) -> Mapping[str, str]:
    """The parameters by name; the key's own `tenant_id` may be among them and is left out.

    Raises:
        Problem: 403, another tenant is named; 400, a parameter is unknown, repeated or not UTF-8.
    """
    if not raw:
        return {}
    refuse_foreign_tenant(raw, tenant_id)
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise bad_parameter("query", "is not UTF-8, percent-encoded") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name == "tenant_id":
            continue
        if name not in taken:
            raise bad_parameter(name[:255], f"is not a parameter here; these are: {', '.join(taken) or 'none'}")
        if name in found:
            raise bad_parameter(name, "is given twice")
        if "\x00" in value:
            raise bad_parameter(name, "holds a NUL character")
        found[name] = value
    return found


def refuse_foreign_tenant(raw: bytes, tenant_id: str) -> None:
    """Raise a 403 when the query names another tenant; everything else in it is left alone."""
    if not raw:
        return
    if any(name == "tenant_id" and value != tenant_id for name, value in parse_qsl(raw.decode("latin-1"), True)):
        detail = "the query names another tenant than the API key's: the tenant comes from the key alone"
        raise Problem(403, "foreign-tenant", detail)


def bad_parameter(name: str, reason: str) -> Problem:
    """The 400 for a parameter of the query or the path."""
    return Problem(400, "bad-parameter", f"{name} {reason}", errors=[{"index": None, "field": name, "reason": reason}])
