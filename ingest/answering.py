"""The one way a request under /v1 ends: answered, refused, given up, or failed by a fault of the door."""

from collections.abc import Awaitable

from ingest.asgi import Send, respond
from ingest.logs import log
from ingest.metrics import Metrics
from ingest.problem import MEDIA_TYPE, Problem, fault
from ingest.refused_requests import note_refused
from ingest.request_body import ClientGone
from ingest.route import Reply


async def answer(work: Awaitable[Reply], send: Send, request: str, route: str, metrics: Metrics) -> None:
    """Send what `work` comes to, or the problem it raises. `request` is the request's id, `route` a path template."""
    try:
        reply = await work
    except Problem as problem:
        reply = refused(problem, request, route, metrics)
    except ClientGone:
        log.info("client_gone", request_id=request, route=route)
        return
    except Exception:
        log.error("fault", request_id=request, route=route)
        metrics.requests.labels(route, 500).inc()
        await respond(send, 500, MEDIA_TYPE, request.encode(), fault().body(request))
        raise  # The server logs it with its traceback.
    metrics.requests.labels(route, reply.status).inc()
    await respond(send, reply.status, reply.media_type, request.encode(), reply.body, reply.headers)


def refused(problem: Problem, request: str, route: str, metrics: Metrics) -> Reply:
    """The answer that a problem makes, once it is noted."""
    note_refused(problem, request, route, metrics)
    return Reply(problem.body(request), problem.status, problem.headers, MEDIA_TYPE)
