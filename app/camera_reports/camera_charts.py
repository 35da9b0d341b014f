"""Control charts of cameras over all their profiles, in which deviations are counted in limits."""

from collections.abc import Sequence

from app.camera_reports.charts import chart_svg
from app.documents.camera_checks import CameraChart, CameraChartPoint, ControlChart
from models_store.contracts.camera_figures import (
    FIGURE_KINDS,
    CameraCheck,
    FigureName,
    FigureVerdict,
    JudgedFigure,
)
from models_store.database.tables import CameraCheckRow

Camera = tuple[str | None, str | None]
"""Model and serial number."""


def camera_charts(rows: Sequence[CameraCheckRow]) -> list[CameraChart]:
    """Return a chart for each camera and figure that checks (the oldest first) hold against a reference.

    Checks of profiles that tell no camera are left out.
    """
    points: dict[tuple[Camera, FigureName], list[CameraChartPoint]] = {}
    for row in rows:
        camera = (row.camera, row.camera_serial)
        if camera == (None, None):
            continue
        for figure in CameraCheck.model_validate(row.check).figures:
            if (point := _point(row, figure)) is not None:
                points.setdefault((camera, figure.name), []).append(point)
    cameras = sorted({camera for camera, _ in points}, key=lambda each: (each[0] or "", each[1] or ""))
    return [
        _chart(camera, name, points[camera, name])
        for camera in cameras
        for name in FigureName
        if (camera, name) in points
    ]


def camera_chart_svg(chart: CameraChart) -> str:
    """Draw a chart as that of a profile, between the limits 1 and -1."""
    return chart_svg(
        ControlChart(
            name=chart.name,
            title=f"{chart.title} of {chart.camera_name}, deviation in limits",
            symbol=chart.symbol,
            unit="1",
            channel=None,
            verdict=chart.verdict,
            points=list(chart.points),
        )
    )


def _chart(camera: Camera, name: FigureName, points: list[CameraChartPoint]) -> CameraChart:
    return CameraChart(
        camera=camera[0],
        camera_serial=camera[1],
        name=name,
        title=FIGURE_KINDS[name].title,
        symbol=FIGURE_KINDS[name].symbol,
        profiles=sorted({point.profile for point in points}),
        verdict=_verdict(points),
        points=points,
    )


def _verdict(points: Sequence[CameraChartPoint]) -> FigureVerdict:
    latest = {(point.profile_id, point.channel): point.verdict for point in points}
    return "drifted" if "drifted" in latest.values() else points[-1].verdict


def _point(row: CameraCheckRow, figure: JudgedFigure) -> CameraChartPoint | None:
    if figure.reference is None or not figure.limit or row.profile is None:
        return None
    return CameraChartPoint(
        at=row.created_at,
        check_id=row.id,
        noise_model_version=row.noise_model_version,
        source="image" if row.source == "image" else "calibration",
        value=(figure.value - figure.reference) / figure.limit,
        standard_error=figure.standard_error / figure.limit,
        centre=0.0,
        lower=-1.0,
        upper=1.0,
        verdict=figure.verdict,
        profile=row.profile.name,
        profile_id=row.profile.id,
        channel=row.channel,
    )
