"""GET /_sandbox: the page. `?namespace=live` shows another account or mode, `?customer=` searches."""

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from stripe_sandbox.meter_event_application import apply_all_due
from stripe_sandbox.page import contents, notation
from stripe_sandbox.sandbox import Sandbox


def routes(sandbox: Sandbox) -> list[Route]:
    template = _environment().get_template("page.html.j2")

    async def page(request: Request) -> Response:
        namespace = request.query_params.get("namespace", "test")
        apply_all_due(sandbox.workspace(namespace))
        shown = contents.read(sandbox, namespace, request.query_params.get("customer", "").strip())
        return HTMLResponse(template.render(shown=shown, address=str(request.base_url).rstrip("/")))

    async def to_the_page(_request: Request) -> Response:
        return RedirectResponse("/_sandbox")

    return [Route("/_sandbox", page), Route("/", to_the_page)]


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("stripe_sandbox.page"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    for filter_ in (notation.moment, notation.quantity, notation.money):
        environment.filters[filter_.__name__] = filter_
    return environment
