"""The report's plots, as SVG that needs no library: bars for times, a curve of size against time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from benchmarks.goals import OURS
from benchmarks.measuring import Result, Results

WIDTH, LEFT, RIGHT = 760, 210, 70
_ROW, _TITLE, _MARGIN = 22, 34, 12
_OURS, _FLOOR, _THEIRS, _INK, _GRID = "#1769aa", "#8a8a8a", "#d08a2e", "#222222", "#dddddd"
_CURVE_HEIGHT = 260


def bars(groups: Mapping[str, Results]) -> str:
    """A bar for the median of each contender, with a line from the fastest run to the slowest; the fastest first."""
    shapes: list[str] = []
    top = _MARGIN
    for title, results in groups.items():
        shown = sorted(results.values(), key=lambda result: result.median)
        scale = (WIDTH - LEFT - RIGHT) / max(result.slowest for result in shown)
        shapes.append(_text(_MARGIN, top + 18, f"{title} (seconds)", weight="bold"))
        top += _TITLE
        for result in shown:
            shapes += _bar(result, top, scale)
            top += _ROW
        top += _MARGIN
    return _document(top, shapes)


def curve(groups: Mapping[str, Results]) -> str:
    """Each level as a point: seconds to the right, megabytes upwards."""
    shapes: list[str] = []
    top = _MARGIN
    for title, results in groups.items():
        points = [(each.median, each.output_bytes / 1e6, each) for each in results.values() if each.output_bytes]
        shapes.append(_text(_MARGIN, top + 18, f"{title} (megabytes over seconds)", weight="bold"))
        top += _TITLE
        shapes += _scatter(points, top)
        top += _CURVE_HEIGHT + 3 * _MARGIN
    return _document(top, shapes)


def _bar(result: Result, top: float, scale: float) -> list[str]:
    middle = top + _ROW / 2
    return [
        _text(LEFT - 8, middle + 4, result.name, anchor="end"),
        f'<rect x="{LEFT}" y="{top + 3}" width="{result.median * scale:.1f}" height="{_ROW - 6}" fill="{_colour(result)}"/>',
        _segment(LEFT + result.fastest * scale, middle, LEFT + result.slowest * scale, middle, _INK),
        _text(LEFT + result.slowest * scale + 6, middle + 4, f"{result.median:.2f}"),
    ]


def _scatter(points: Sequence[tuple[float, float, Result]], top: float) -> list[str]:
    left, right, bottom = 60.0, WIDTH - RIGHT * 1.6, top + _CURVE_HEIGHT
    times, sizes = [point[0] for point in points], [point[1] for point in points]
    least, most = min(sizes) * 0.98, max(sizes) * 1.02
    shapes = [_segment(left, bottom, right, bottom, _INK), _segment(left, top, left, bottom, _INK)]
    for part in range(5):
        size, seconds = least + (most - least) * part / 4, max(times) * part / 4
        height = bottom - _CURVE_HEIGHT * part / 4
        shapes += [
            _segment(left, height, right, height, _GRID),
            _text(left - 6, height + 4, f"{size:.0f}", anchor="end"),
            _text(left + (right - left) * part / 4, bottom + 16, f"{seconds:.1f}", anchor="middle"),
        ]
    for seconds, size, result in points:
        x = left + (right - left) * seconds / max(times)
        y = bottom - _CURVE_HEIGHT * (size - least) / (most - least)
        shapes.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{_colour(result)}"/>')
        shapes.append(_text(x + 7, y - 4, result.name.removeprefix(f"{OURS} ")))
    return shapes


def _colour(result: Result) -> str:
    if result.name.startswith(OURS):
        return _OURS
    return _FLOOR if result.name.startswith("floor") else _THEIRS


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    style = f'text-anchor="{anchor}" font-weight="{weight}" fill="{_INK}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'


def _segment(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _document(height: float, shapes: Iterable[str]) -> str:
    size = f'width="{WIDTH}" height="{height:.0f}" viewBox="0 0 {WIDTH} {height:.0f}"'
    font = 'font-family="sans-serif" font-size="12"'
    ground = '<rect width="100%" height="100%" fill="white"/>'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>', ground, *shapes, "</svg>", ""])
