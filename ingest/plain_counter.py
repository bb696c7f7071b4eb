"""Counters that cost an addition: the door counts on one thread, so they take no lock."""

from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector


class Count:
    """One number that only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def inc(self, amount: int = 1) -> None:
        self.value += amount


class PlainCounter(Collector):
    """A Prometheus counter with labels, for use from the event loop only."""

    def __init__(self, name: str, documentation: str, labelnames: Sequence[str], registry: CollectorRegistry) -> None:
        self._name = name
        self._documentation = documentation
        self._labelnames = labelnames
        self._counts: dict[tuple[object, ...], Count] = {}
        registry.register(self)

    def labels(self, *values: object) -> Count:
        """The count of these labels' values."""
        found = self._counts.get(values)
        if found is None:
            found = self._counts[values] = Count()
        return found

    def describe(self) -> Iterator[CounterMetricFamily]:
        yield CounterMetricFamily(self._name, self._documentation, labels=self._labelnames)

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(self._name, self._documentation, labels=self._labelnames)
        for values, count in self._counts.items():
            family.add_metric([str(value) for value in values], count.value)
        yield family
