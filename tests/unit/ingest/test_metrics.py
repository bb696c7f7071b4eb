"""Tenants are told apart up to a bound, and no event is left uncounted."""

from ingest.metrics import Metrics


def test_tenants_are_told_apart_below_at_and_above_the_bound() -> None:
    metrics = Metrics(max_tenants=2)
    for tenant in ("a", "b", "c", "a", "d", "c"):
        metrics.events_of(tenant, "accepted").inc()
    metrics.events_of("c", "rejected").inc(2)
    lines = [line for line in metrics.text().decode().splitlines() if line.startswith("tally_door_events_total{")]
    assert sorted(lines) == [
        'tally_door_events_total{outcome="accepted",tenant="_other"} 3.0',
        'tally_door_events_total{outcome="accepted",tenant="a"} 2.0',
        'tally_door_events_total{outcome="accepted",tenant="b"} 1.0',
        'tally_door_events_total{outcome="rejected",tenant="_other"} 2.0',
    ]


def test_no_tenant_need_be_told_apart() -> None:
    metrics = Metrics(max_tenants=0)
    metrics.events_of("a", "accepted").inc()
    assert b'tally_door_events_total{outcome="accepted",tenant="_other"} 1.0' in metrics.text()
