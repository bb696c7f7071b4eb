"""What was read, as Prometheus takes it: one family each, complete or missing, never half of it."""

import shutil
from collections import defaultdict
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from tally.metrics.families import FAMILIES, Family, Sample
from tally.metrics.reader import Part, Reader


class PipelineCollector(Collector):
    """Collects when it is asked. `home`: the folder whose file system is measured."""

    def __init__(self, reader: Reader, home: Path) -> None:
        self._reader = reader
        self._home = home

    def describe(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        yield from map(_empty, FAMILIES.values())

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        samples: dict[str, list[Sample]] = defaultdict(list)
        for sample in self._samples():
            samples[sample.family].append(sample)
        for name, listed in samples.items():
            family = _empty(FAMILIES[name])
            for sample in listed:
                family.add_metric(sample.labels, sample.value)
            yield family

    def _samples(self) -> Iterator[Sample]:
        yield Sample("tally_build_info", (version("tallyledger"),), 1)
        yield from _disk(self._home)
        parts = self._reader.read()
        yield Sample("tally_up", (), parts is not None)
        for name, part in (parts or {}).items():
            yield from _of_part(name, part)


def registry(reader: Reader, home: Path) -> CollectorRegistry:
    """The pipeline's metrics and the exporter's own process, in a registry of their own."""
    made = CollectorRegistry()
    ProcessCollector(registry=made)
    made.register(PipelineCollector(reader, home))
    return made


def _empty(family: Family) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if family.is_counter else GaugeMetricFamily
    return kind(family.name, family.help, labels=family.labels)


def _of_part(name: str, part: Part) -> Iterator[Sample]:
    yield Sample("tally_reading_success", (name,), part.samples is not None)
    yield Sample("tally_reading_seconds", (name,), part.seconds)
    yield from part.samples or ()


def _disk(folder: Path) -> Iterator[Sample]:
    # It may not be there yet: its parents lie on the file system on which it will be made.
    there = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    usage = shutil.disk_usage(there)
    yield Sample("tally_disk_free_bytes", (), usage.free)
    yield Sample("tally_disk_size_bytes", (), usage.total)
