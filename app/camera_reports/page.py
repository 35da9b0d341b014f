"""A monthly report as one page of HTML, which refers to no other file."""

from collections.abc import Sequence
from html import escape

from app.camera_reports.camera_charts import camera_chart_svg
from app.camera_reports.charts import chart_svg
from app.documents.camera_checks import CameraChart
from app.documents.camera_reports import CameraReport, ReportedCamera, ReportedFigure

_STYLE = """
body { font-family: sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h1 { font-size: 1.5rem; }
h2 { font-size: 1.2rem; margin-top: 2.5rem; border-top: 1px solid #ccc; padding-top: 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ddd; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.drifted { color: #b2182b; font-weight: bold; } .ok { color: #1b7837; }
.undecided, .unchecked { color: #666; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(28rem, 1fr)); gap: 1rem; }
.charts svg { width: 100%; height: auto; } .small { color: #555; font-size: .85rem; }
"""


def report_page(report: CameraReport) -> str:
    """Return the page; all texts of users are escaped."""
    name = escape(report.microscope.name)
    sentences = "".join(f"<p>{escape(each)}</p>" for each in report.told)
    cameras = "".join(map(_camera, report.cameras))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>Cameras of {name}, {report.month}</title><style>{_STYLE}</style></head>"
        f"<body><h1>Cameras of {name}, {report.since:%B %Y}</h1>"
        f"{sentences}{_over_settings(report.camera_charts)}{cameras}"
        f'<p class="small">Figures and symbols: {escape(report.standard)}. A figure has drifted if it '
        "differs from that of the noise model by more than the limit, which adds, in squares, three standard "
        "errors (by default) and a tolerance. Points carry one standard error; solid line: reference, dashed "
        f"lines: limits of each check. Made {report.made_at:%Y-%m-%d %H:%M} UTC by ClearScope.</p>"
        "</body></html>\n"
    )


def _over_settings(charts: Sequence[CameraChart]) -> str:
    drawn = "".join(f"<div>{camera_chart_svg(each)}</div>" for each in charts if each.compares_settings)
    if not drawn:
        return ""
    return (
        "<h2>Cameras over all their settings</h2>"
        '<p class="small">Deviations of each check from its own reference, in limits: beyond 1 and -1, a '
        f'figure has drifted.</p><div class="charts">{drawn}</div>'
    )


def _camera(camera: ReportedCamera) -> str:
    title = escape(camera.profile) + (f", channel {escape(camera.channel)}" if camera.channel else "")
    detector = " ".join(filter(None, [camera.camera, camera.camera_serial])) or "no camera named"
    model = camera.noise_model
    of_model = (
        f"noise model version {model.version} ({model.origin}) of {model.created_at:%Y-%m-%d}"
        if model
        else "no active noise model"
    )
    charts = "".join(f"<div>{chart_svg(each)}</div>" for each in camera.charts)
    return (
        f'<h2>{title}</h2><p class="{camera.verdict}">{escape(camera.told)}</p>'
        f'<p class="small">{escape(detector)}; {of_model}; {camera.checks} checks</p>'
        f'{_table(camera.figures) if camera.figures else ""}<div class="charts">{charts}</div>'
    )


def _table(figures: list[ReportedFigure]) -> str:
    head = "".join(
        f"<th>{each}</th>"
        for each in ("figure", "symbol", "value", "reference", "limit of change", "verdict", "measured on")
    )
    return f"<table><tr>{head}</tr>{''.join(map(_row, figures))}</table>"


def _row(figure: ReportedFigure) -> str:
    unit = "" if figure.unit == "1" else f" {figure.unit}"
    reference = "-" if figure.reference is None else f"{figure.reference:.4g}{unit}"
    limit = "-" if figure.limit is None else f"{figure.limit:.2g}{unit}"
    return (
        f"<tr><td>{escape(figure.title)}</td><td>{escape(figure.symbol or '-')}</td>"
        f'<td class="number">{figure.value:.4g} &plusmn; {figure.standard_error:.2g}{unit}</td>'
        f'<td class="number">{reference}</td><td class="number">{limit}</td>'
        f'<td class="{figure.verdict}">{figure.verdict}</td>'
        f"<td>{escape(figure.how)}, {figure.at:%Y-%m-%d}</td></tr>"
    )
