"""Time series as promtool's test files write them: `0+1x5`, `3x2 _x3 stale`, a sample every `interval` from 0 on."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import promql_parser

Labels = frozenset[tuple[str, str]]
NAME = "__name__"
_ITEM = re.compile(r"(?P<start>-?[0-9.eE]+)(?:(?P<sign>[+-])(?P<step>[0-9.eE]+))?(?:x(?P<times>[0-9]+))?$")
_GAP = re.compile(r"_(?:x(?P<times>[0-9]+))?$")


@dataclass(frozen=True)
class Series:
    """Labels, the name among them, and samples as (seconds, value), oldest first; None marks the series as ended."""

    labels: Labels
    samples: Sequence[tuple[float, float | None]]


def read_series(name: str, values: str, interval: float) -> Series:
    """One entry of `input_series`."""
    selector = promql_parser.parse(name)
    if not isinstance(selector, promql_parser.VectorSelector) or selector.name is None:
        raise ValueError(f"not a series: {name}")
    labels = {matcher.name: matcher.value for matcher in selector.matchers.matchers}
    samples = [
        (position * interval, value) for position, value in enumerate(_expanded(values)) if not isinstance(value, str)
    ]
    return Series(labelled({**labels, NAME: selector.name}), samples)


def labelled(labels: Mapping[str, str]) -> Labels:
    """The labels as a key."""
    return frozenset(labels.items())


def _expanded(values: str) -> Iterator[float | str | None]:
    for item in values.split():
        if gap := _GAP.match(item):
            yield from ["_"] * int(gap["times"] or 1)
        elif item == "stale":
            yield None
        elif number := _ITEM.match(item):
            step = float(f"{number['sign']}{number['step']}") if number["step"] else 0.0
            for times in range(int(number["times"] or 0) + 1):
                yield float(number["start"]) + step * times
        else:
            raise ValueError(f"values that are not understood: {item}")
