"""What happens without a request: counting accepted events, reporting dropped ones, billing, webhooks, pruning."""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable

from stripe_sandbox import billing_cycle, error_reports, test_clocks, webhook_delivery
from stripe_sandbox.meter_event_application import apply_all_due
from stripe_sandbox.sandbox import Sandbox

log = logging.getLogger(__name__)
TICK_SECONDS = 0.05
PRUNE_EVERY_TICKS = 1200


class Background:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._ticks = 0
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._repeat(work)) for work in (self._tick, self._deliver)]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _repeat(self, work: Callable[[], Awaitable[None]]) -> None:
        """One failure must not end the loop, nor be overlooked: /_sandbox/health shows it from then on."""
        while True:
            try:
                await work()
            except Exception:
                self._sandbox.background_error = traceback.format_exc()
                log.exception("background work failed")
            await asyncio.sleep(TICK_SECONDS)

    async def _deliver(self) -> None:
        await webhook_delivery.deliver_due(self._sandbox.workspace("test"))

    async def _tick(self) -> None:
        await catch_up(self._sandbox)
        if self._ticks % PRUNE_EVERY_TICKS == 0:
            self._sandbox.idempotency.prune()
        self._ticks += 1


async def catch_up(sandbox: Sandbox) -> None:
    """Do all that is due by now. The background calls it often; a test that moved the time calls it to be sure."""
    workspace = sandbox.workspace("test")  # the namespace is replaced wherever it matters
    apply_all_due(workspace)
    error_reports.report_due(workspace)
    await _advance_clocks(sandbox)
    await _bill_in_real_time(sandbox)


async def _advance_clocks(sandbox: Sandbox) -> None:
    """Step by step, so that requests are answered while a clock advances."""
    clocks = sandbox.state.rows(
        "select namespace, id from objects where kind = 'test_helpers.test_clock'"
        " and json_extract(body, '$.status') = 'advancing'"
    )
    for row in clocks:
        workspace = sandbox.workspace(row["namespace"])
        while test_clocks.step(workspace, row["id"]):
            await asyncio.sleep(0)
            apply_all_due(workspace)


async def _bill_in_real_time(sandbox: Sandbox) -> None:
    now = int(sandbox.clock.now())
    due = sandbox.state.rows("select distinct namespace from objects where test_clock is null and due_at <= ?", (now,))
    for row in due:
        workspace = sandbox.workspace(row["namespace"])
        while billing_cycle.run_next_due(workspace, None, now):
            await asyncio.sleep(0)
