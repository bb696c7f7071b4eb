"""Pages of a list: newest first, `limit`, `starting_after` and `ending_before` as Stripe has them."""

from collections.abc import Callable
from typing import Any

from stripe_sandbox.errors import invalid, missing_resource
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace, public

PAGING = "limit starting_after ending_before"
# SQL for each filter an endpoint may offer; a filter without a value is left out.
CONDITIONS = {
    "customer": "customer = ?",
    "test_clock": "test_clock is ?",
    "parent": "parent = ?",
    "parents": "parent in (select value from json_each(?))",
    "status": "json_extract(body, '$.status') = ?",
    "active": "json_extract(body, '$.active') = ?",
    "product": "json_extract(body, '$.product') = ?",
    "currency": "json_extract(body, '$.currency') = ?",
    "type": "json_extract(body, '$.type') = ?",
    "lookup_key": "json_extract(body, '$.lookup_key') = ?",
    "email": "json_extract(body, '$.email') = ?",
    "collection_method": "json_extract(body, '$.collection_method') = ?",
}
COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def page_of(
    workspace: Workspace,
    kind: str,
    url: str,
    parameters: Json,
    filters: dict[str, Any] | None = None,
    *,
    render: Callable[[Json], Json] = public,
    extra_condition: str = "",
    oldest_first: bool = False,
) -> Json:
    """`filters` maps names of CONDITIONS to values; None means "not filtered", except for test_clock."""
    where, values = [extra_condition] if extra_condition else [], []
    for name, value in (filters or {}).items():
        if value is not None or name == "test_clock":
            where.append(CONDITIONS[name])
            values.append(value)
    for comparison, value in _created_bounds(parameters.get("created")):
        where.append(f"json_extract(body, '$.created') {comparison} ?")
        values.append(value)
    limit = page_size(parameters)
    ascending = oldest_first
    for cursor, forward in (("starting_after", True), ("ending_before", False)):
        if cursor in parameters:
            where.append(f"seq {'>' if forward == oldest_first else '<'} ?")
            values.append(_rank(workspace, kind, parameters[cursor], cursor))
            ascending = forward == oldest_first
    clause = "".join(f" and {condition}" for condition in where)
    order = f"{clause} order by seq {'asc' if ascending else 'desc'} limit ?"
    found = workspace.state.select(workspace.namespace, kind, order, (*values, limit + 1))
    page = found[:limit]
    if ascending != oldest_first:
        page.reverse()
    return list_object([render(each) for each in page], url, has_more=len(found) > limit)


def list_object(data: list[Json], url: str, *, has_more: bool = False) -> Json:
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def slice_of(rows: list[Json], url: str, parameters: Json) -> Json:
    """A page of rows already in memory, in their order."""
    limit = page_size(parameters)
    ids = [row["id"] for row in rows]
    if "starting_after" in parameters:
        start = _position(ids, parameters["starting_after"], "starting_after") + 1
        return list_object(rows[start : start + limit], url, has_more=start + limit < len(rows))
    if "ending_before" in parameters:
        end = _position(ids, parameters["ending_before"], "ending_before")
        return list_object(rows[max(0, end - limit) : end], url, has_more=end > limit)
    return list_object(rows[:limit], url, has_more=limit < len(rows))


def page_size(parameters: Json) -> int:
    limit = int(parameters.get("limit", 10))
    if not 1 <= limit <= 100:
        raise invalid("This value must be between 1 and 100.", "limit")
    return limit


def _position(ids: list[str], wanted: str, param: str) -> int:
    if wanted not in ids:
        raise missing_resource("object", wanted, param)
    return ids.index(wanted)


def _rank(workspace: Workspace, kind: str, object_id: str, param: str) -> int:
    row = workspace.state.row(
        "select seq from objects where namespace = ? and kind = ? and id = ?", (workspace.namespace, kind, object_id)
    )
    if row is None:
        raise missing_resource(kind, object_id, param)
    return int(row["seq"])


def _created_bounds(created: Any) -> list[tuple[str, int]]:
    if created is None:
        return []
    if isinstance(created, int):
        return [("=", created)]
    return [(COMPARISONS[name], value) for name, value in created.items()]
