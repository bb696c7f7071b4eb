"""Builds the ASGI application: Stripe's API, the page, the control endpoints, and the background work's life."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Mount

from stripe_sandbox import control
from stripe_sandbox.background import Background
from stripe_sandbox.page import route as page
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.stripe_api import StripeApi


def build_app(sandbox: Sandbox) -> Starlette:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        background = Background(sandbox)
        background.start()
        yield
        await background.stop()
        sandbox.state.close()

    routes = [*page.routes(sandbox), *control.routes(sandbox), Mount("/", StripeApi(sandbox))]
    return Starlette(routes=routes, lifespan=lifespan)
