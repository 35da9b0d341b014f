"""Control charts of a camera's figures, as data and as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self
from xml.sax.saxutils import escape

from app.documents.camera_checks import ChartPoint, ControlChart
from models_store.contracts.camera_figures import FIGURE_KINDS, CameraCheck, FigureName, JudgedFigure
from models_store.database.tables import CameraCheckRow

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 560, 200, 70, 16, 28, 30
_MARGIN = 0.08
_COLOURS = {"ok": "#1b7837", "undecided": "#777777", "drifted": "#b2182b"}


def control_charts(rows: Sequence[CameraCheckRow]) -> list[ControlChart]:
    """Return a chart for each channel and figure that checks (the oldest first) have told."""
    points: dict[tuple[str | None, FigureName], list[ChartPoint]] = {}
    for row in rows:
        for figure in CameraCheck.model_validate(row.check).figures:
            points.setdefault((row.channel, figure.name), []).append(_point(row, figure))
    return [
        ControlChart(
            name=name,
            title=FIGURE_KINDS[name].title,
            symbol=FIGURE_KINDS[name].symbol,
            unit=FIGURE_KINDS[name].unit,
            channel=channel,
            verdict=points[channel, name][-1].verdict,
            points=points[channel, name],
        )
        for channel in sorted({channel for channel, _ in points}, key=lambda each: each or "")
        for name in FigureName
        if (channel, name) in points
    ]


def _point(row: CameraCheckRow, figure: JudgedFigure) -> ChartPoint:
    known = figure.reference is not None and figure.limit is not None
    return ChartPoint(
        at=row.created_at,
        check_id=row.id,
        noise_model_version=row.noise_model_version,
        source="image" if row.source == "image" else "calibration",
        value=figure.value,
        standard_error=figure.standard_error,
        centre=figure.reference,
        lower=(figure.reference or 0.0) - (figure.limit or 0.0) if known else None,
        upper=(figure.reference or 0.0) + (figure.limit or 0.0) if known else None,
        verdict=figure.verdict,
    )


def chart_svg(chart: ControlChart) -> str:
    """Draw a chart: points with an error bar of one standard error, reference, and limits."""
    scale = _Scale.of(chart.points)
    steps = [_step(scale, number, point) for number, point in enumerate(chart.points)]
    unit = "" if chart.unit == "1" else f" ({chart.unit})"
    symbol = f"{chart.symbol}: " if chart.symbol else ""
    title = escape(f"{symbol}{chart.title}{unit}")
    first, last = (chart.points[index].at.strftime("%Y-%m-%d") for index in (0, -1))
    labels = [
        _text(_LEFT, 16, title, "start", 13),
        *(_text(_LEFT - 6, scale.y(value) + 4, f"{value:.4g}", "end") for value in scale.labels),
        _text(_LEFT, _HEIGHT - 8, first, "start"),
        _text(_WIDTH - _RIGHT, _HEIGHT - 8, last, "end"),
    ]
    frame = (
        f'<rect x="{_LEFT}" y="{_TOP}" width="{_WIDTH - _LEFT - _RIGHT}" height="{_HEIGHT - _TOP - _BOTTOM}" '
        'fill="none" stroke="#999999"/>'
    )
    drawn = "".join([*labels, *steps])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'font-family="sans-serif" font-size="11"><title>{title}</title>{frame}{drawn}</svg>'
    )


@dataclass(frozen=True)
class _Scale:
    lowest: float
    highest: float
    points: int

    @classmethod
    def of(cls, points: Sequence[ChartPoint]) -> Self:
        bounds = [each.value + sign * each.standard_error for each in points for sign in (-1, 1)]
        bounds += [each for point in points for each in (point.lower, point.upper) if each is not None]
        low, high = min(bounds), max(bounds)
        margin = _MARGIN * ((high - low) or abs(high) or 1.0)
        return cls(low - margin, high + margin, len(points))

    @property
    def labels(self) -> tuple[float, float, float]:
        return self.lowest, (self.lowest + self.highest) / 2, self.highest

    def x(self, number: float) -> float:
        """Return the position of a point; equally spaced, as several checks may be of one day."""
        return _LEFT + (number + 0.5) / self.points * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.lowest) / (self.highest - self.lowest)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _step(scale: _Scale, number: int, point: ChartPoint) -> str:
    x, left, right = scale.x(number), scale.x(number - 0.5), scale.x(number + 0.5)
    lines = [
        _line(left, scale.y(level), right, scale.y(level), style)
        for level, style in (
            (point.centre, 'stroke="#2166ac"'),
            (point.lower, 'stroke="#2166ac" stroke-dasharray="4 3"'),
            (point.upper, 'stroke="#2166ac" stroke-dasharray="4 3"'),
        )
        if level is not None
    ]
    colour = _COLOURS[point.verdict]
    ends = (scale.y(point.value + sign * point.standard_error) for sign in (-1, 1))
    lines.append(_line(x, next(ends), x, next(ends), f'stroke="{colour}"'))
    told = escape(
        f"{point.at:%Y-%m-%d %H:%M}: {point.value:.5g} +- {point.standard_error:.2g}, {point.verdict}"
    )
    shape = f'<circle cx="{x:.1f}" cy="{scale.y(point.value):.1f}" r="4" fill="{colour}">'
    return f"{''.join(lines)}{shape}<title>{told}</title></circle>"


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {style}/>'


def _text(x: float, y: float, text: str, anchor: str, size: int = 11) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{text}</text>'
