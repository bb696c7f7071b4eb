"""What Prometheus reads. Every label takes few values: none comes from a caller's data, and tenants are bounded."""

from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from ingest.plain_counter import Count, PlainCounter
from tally.metrics.families import OTHER_TENANTS

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
_ROWS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000)


class Metrics:
    """One door's metrics, in a registry of their own. `max_tenants` tenants are told apart, those that come first."""

    def __init__(self, max_tenants: int) -> None:
        self._max_tenants = max_tenants
        self._tenants: set[str] = set()
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        made: dict[str, Any] = {"registry": self._registry}
        self.requests = PlainCounter("tally_door_requests", "Requests answered.", ("route", "status"), **made)
        self.events = PlainCounter("tally_door_events", "Events answered.", ("outcome", "tenant"), **made)
        self.rejected = Counter("tally_door_events_rejected", "Events rejected, by reason.", ("reason",), **made)
        self.auth_failures = Counter("tally_door_auth_failures", "Requests without a usable key.", ("reason",), **made)
        self.foreign_tenants = Counter(
            "tally_door_foreign_tenant_requests", "Requests that named another tenant.", ("route",), **made
        )
        self.refused_connections = Counter(
            "tally_door_refused_connections", "Connections past the bound, answered 503 and closed.", **made
        )
        self.commit_rows = Histogram("tally_door_commit_rows", "Rows of a commit.", buckets=_ROWS, **made)
        self.commit_seconds = Histogram("tally_door_commit_seconds", "Time of a commit.", buckets=_SECONDS, **made)
        self.queued_events = Gauge("tally_door_queued_events", "Events waiting for a commit or in one.", **made)
        self.queue_limit = Gauge("tally_door_queue_limit_events", "Events that may wait before it answers 503.", **made)

    def events_of(self, tenant_id: str, outcome: str) -> Count:
        """The count of a tenant's events with this outcome; tenants beyond the bound share one, named OTHER_TENANTS."""
        if tenant_id not in self._tenants:
            if len(self._tenants) >= self._max_tenants:
                return self.events.labels(outcome, OTHER_TENANTS)
            self._tenants.add(tenant_id)
        return self.events.labels(outcome, tenant_id)

    def text(self) -> bytes:
        """All of it in Prometheus' text form."""
        return generate_latest(self._registry)
