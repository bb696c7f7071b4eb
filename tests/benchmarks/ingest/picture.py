"""The curves as one SVG: throughput above, latency below, a column for each kind of load."""

from collections.abc import Callable, Mapping, Sequence
from math import log10
from pathlib import Path

from tests.benchmarks.ingest.curve import Point

WIDTH, HEIGHT = 380, 220
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 34, 34
_STYLE = (
    "text{font:12px sans-serif;fill:#333}.t{font-weight:bold}.g{stroke:#ddd}.a{stroke:#1f6feb}.b{stroke:#d1242f}"
    "polyline{fill:none;stroke-width:2}"
)


def draw(curves: Mapping[str, Sequence[Point]], path: Path) -> None:
    """Write the picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parts: list[str] = []
    for column, (name, points) in enumerate(curves.items()):
        rate: list[tuple[str, Callable[[Point], float]]] = [("a", lambda point: point.rate)]
        latency: list[tuple[str, Callable[[Point], float]]] = [("a", lambda p: p.p50), ("b", lambda p: p.p99)]
        parts += _panel(column * WIDTH, 0, f"{name}: events/s", points, rate)
        parts += _panel(column * WIDTH, HEIGHT, f"{name}: ms, p50 blue, p99 red", points, latency)
    size = f'width="{len(curves) * WIDTH}" height="{2 * HEIGHT}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{_STYLE}</style>'
    paper = '<rect width="100%" height="100%" fill="#fff"/>'
    path.write_text("\n".join([head, paper, *parts, "</svg>\n"]))


def _panel(
    x: float, y: float, title: str, points: Sequence[Point], lines: Sequence[tuple[str, Callable[[Point], float]]]
) -> list[str]:
    top = _rounded_up(max(read(point) for point in points for _, read in lines))
    span = log10(points[-1].clients / points[0].clients)

    def across(point: Point) -> float:
        return x + LEFT + log10(point.clients / points[0].clients) / span * (WIDTH - LEFT - RIGHT)

    def up(value: float) -> float:
        return y + HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)

    drawn = [f'<text class="t" x="{x + LEFT}" y="{y + 20}">{title}</text>']
    for value in (0.0, top / 2, top):
        ends = f'x1="{x + LEFT}" x2="{x + WIDTH - RIGHT}" y1="{up(value):.1f}" y2="{up(value):.1f}"'
        label = f'<text x="{x + LEFT - 6}" y="{up(value) + 4:.1f}" text-anchor="end">{value:,g}</text>'
        drawn += [f'<line class="g" {ends}/>', label]
    for point in points:
        drawn.append(f'<text x="{across(point):.1f}" y="{y + HEIGHT - 14}" text-anchor="middle">{point.clients}</text>')
    for style, read in lines:
        places = " ".join(f"{across(point):.1f},{up(read(point)):.1f}" for point in points)
        drawn.append(f'<polyline class="{style}" points="{places}"/>')
    return drawn


def _rounded_up(value: float) -> float:
    scale: float = 10 ** int(log10(value)) if value >= 1 else 1
    return next(step * scale for step in (1, 2, 4, 6, 8, 10) if step * scale >= value)
