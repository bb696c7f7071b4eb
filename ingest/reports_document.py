"""The OpenAPI text of reading reconciliation reports."""

from ingest.document_parts import REQUEST_ID, SECURITY, Schema, answer, refusals
from ingest.parameters import DEFAULT_LIMIT, MAX_LIMIT
from ingest.reports_cursor import MAX_RUN
from ingest.reports_routes import NDJSON, SCOPE

_TIME = {"type": "string", "format": "date-time"}
_LIMIT = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
_VERDICTS = ["ok", "break", "missing", "unmapped", "empty"]


def reports_paths() -> dict[str, Schema]:
    """The operations by path and method."""
    listed = {
        "operationId": "ListReports",
        "summary": "List the kept reconciliation reports",
        "description": "Reports of the key's own tenant, newest first; RECONCILIATION.md explains the verdicts.",
        "tags": ["reports"],
        "security": SECURITY,
        "parameters": [REQUEST_ID, *_paging("Reports", "`next_cursor`")],
        "responses": {"200": answer("A page.", "ReportPage"), **refusals(SCOPE, "GET")},
    }
    lines = answer("A page of lines.", "ReportLines", NDJSON.decode())
    lines["headers"]["X-Next-Cursor"] = {
        "schema": {"type": "string"},
        "description": "`cursor` of the next page; missing on the last one.",
    }
    run = {"type": "integer", "format": "int64", "minimum": 1, "maximum": MAX_RUN}
    one = {
        "operationId": "GetReportLines",
        "summary": "The lines of one report, as it found them",
        "description": (
            "A JSON object a line, in the order of customer, metric, period and account: counted, sent, Stripe's and "
            "the invoice's quantities, amounts, verdicts and the cause of a break. Numbers are decimal text, null "
            "where a number was not known. Other columns may come."
        ),
        "tags": ["reports"],
        "security": SECURITY,
        "parameters": [
            REQUEST_ID,
            {"name": "run", "in": "path", "required": True, "schema": run, "description": "`run_id` of the report."},
            *_paging("Lines", "`X-Next-Cursor`"),
        ],
        "responses": {
            "200": lines,
            **refusals(SCOPE, "GET", _404="There is no such report.", _410="Its lines were pruned; its verdict stays."),
        },
    }
    return {"/v1/reports": {"get": listed}, "/v1/reports/{run}": {"get": one}}


def reports_components() -> dict[str, Schema]:
    """The schemas of the answers."""
    count = {"type": "integer", "minimum": 0}
    run = {
        "run_id": {"type": "integer", "format": "int64"},
        "starting_from": {**_TIME, "description": "The report is on periods that start at or after this,"},
        "starting_before": {**_TIME, "description": "and before this."},
        "made_at": _TIME,
        "verdict": {"type": "string", "enum": _VERDICTS, "description": "The worst of its lines'."},
        "ok": count,
        "breaks": count,
        "missing": count,
        "unmapped": count,
        "lines_kept": {"type": "boolean", "description": "False once its lines were pruned."},
    }
    page = {
        "reports": {"type": "array", "items": {"$ref": "#/components/schemas/ReportRun"}},
        "next_cursor": {"type": "string", "nullable": True, "description": "Null on the last page."},
    }
    return {
        "ReportRun": {"type": "object", "required": list(run), "properties": run},
        "ReportPage": {"type": "object", "required": list(page), "properties": page},
        "ReportLines": {"type": "string", "description": "One JSON object a line."},
    }


def _paging(what: str, where: str) -> list[Schema]:
    return [
        {"name": "limit", "in": "query", "schema": _LIMIT, "description": f"{what} of a page."},
        {"name": "cursor", "in": "query", "schema": {"type": "string"}, "description": f"{where} of the page before."},
    ]
