"""What a door notes of a request that it refused: a line in the log and a count, never what was sent."""

from ingest.logs import log
from ingest.metrics import Metrics
from ingest.problem import Problem


def note_refused(problem: Problem, request_id: str, route: str, metrics: Metrics) -> None:
    """Log and count a refusal; `route` is a path template, so that labels stay few."""
    if problem.status == 401 or problem.code == "scope-missing":
        metrics.auth_failures.labels(problem.code).inc()
    if problem.code == "foreign-tenant":
        metrics.foreign_tenants.labels(route).inc()
    log.info("request_refused", request_id=request_id, route=route, status=problem.status, code=problem.code)
