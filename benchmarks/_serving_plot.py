"""The plot of `serving.py`: calls a second of every contender, on a logarithmic scale, as SVG."""

from html import escape
from math import log10
from pathlib import Path

from headrace.benchmarks._runs import median
from headrace.benchmarks._serving_report import Found

_LEFT, _WIDTH, _BAR, _GAP, _HEAD = 150, 620, 18, 26, 34
_OURS, _OTHERS = "#1f6f8b", "#b8b8b8"


def plot(found: Found, path: Path) -> None:
    """Write it."""
    shapes: list[str] = []
    height = 10
    greatest = max(
        median(runs, "calls_per_second")
        for costs in found["saturation"].values()
        for runs in costs.values()
    )
    decades = int(log10(greatest)) + 1
    scale = (_WIDTH - _LEFT - 70) / decades
    for case, costs in found["saturation"].items():
        height += _HEAD
        shapes.append(_text(10, height - 10, f"{case} features: calls a second", weight="bold"))
        for name, runs in costs.items():
            calls = median(runs, "calls_per_second")
            length = max(1.0, log10(max(calls, 1)) * scale)
            colour = _OURS if "×" in name else _OTHERS
            bar = f'x="{_LEFT}" y="{height}" width="{length:.1f}" height="{_BAR}" fill="{colour}"'
            shapes += [
                _text(_LEFT - 8, height + 13, name, anchor="end"),
                f"<rect {bar}/>",
                _text(_LEFT + length + 6, height + 13, f"{calls:,.0f}"),
            ]
            height += _GAP
    lines = [
        f'<line x1="{_LEFT + decade * scale:.1f}" x2="{_LEFT + decade * scale:.1f}" y1="10" '
        f'y2="{height}" stroke="#e4e4e4"/>'
        for decade in range(decades + 1)
    ]
    body = "\n".join([*lines, *shapes])
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH + 40}" height="{height + 10}" '
        f'font-family="sans-serif" font-size="13">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}" font-weight="{weight}">'
        f"{escape(text)}</text>"
    )
