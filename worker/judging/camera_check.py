"""Whether the figures of a camera have drifted from those of a noise model."""

import math

from models_store.contracts.camera_figures import (
    FIGURE_KINDS,
    CameraCheck,
    CameraFigures,
    CheckSource,
    CheckVerdict,
    DriftLimits,
    Figure,
    FigureName,
    FigureVerdict,
    JudgedFigure,
)

_MOST_UNCERTAIN = 5.0
"""Times the tolerance: a limit beyond it finds no drift that matters."""
_ASSUMING = {FigureName.OFFSET: "offset or read noise (only dark frames tell which)"}


def judge_camera(
    found: CameraFigures,
    reference: CameraFigures,
    reference_from: str,
    limits: DriftLimits,
    source: CheckSource,
) -> CameraCheck:
    """Compare figures one by one, each with its own limit."""
    judged = tuple(
        _judged(name, found.figures[name], _comparable(name, found, reference), limits)
        for name in FigureName
        if name in found.figures
    )
    drifted = [each for each in judged if each.verdict == "drifted"]
    decided = any(each.verdict == "ok" for each in judged)
    verdict: CheckVerdict = "drifted" if drifted else "ok" if decided else "undecided"
    return CameraCheck(
        source=source,
        verdict=verdict,
        told=_told(judged, verdict, assumes=found.assumed_read_noise_e is not None),
        reference_from=reference_from,
        figures=judged,
        untold=found.untold,
    )


def _comparable(name: FigureName, found: CameraFigures, reference: CameraFigures) -> Figure | None:
    """Return the figure of the reference, if it was measured in the same way."""
    differs = found.linearity_of_exposures != reference.linearity_of_exposures
    return None if name is FigureName.LINEARITY and differs else reference.figures.get(name)


def _judged(name: FigureName, found: Figure, reference: Figure | None, limits: DriftLimits) -> JudgedFigure:
    kind = FIGURE_KINDS[name]
    limit, verdict = None, "undecided"
    if reference is not None:
        error = math.hypot(found.standard_error, reference.standard_error)
        tolerance = limits.tolerance(name, reference.value)
        limit = math.hypot(limits.standard_errors * error, tolerance)
        verdict = _verdict(abs(found.value - reference.value), limit, tolerance)
    return JudgedFigure(
        name=name,
        title=kind.title,
        symbol=kind.symbol,
        unit=kind.unit,
        **found.model_dump(),
        reference=reference.value if reference else None,
        reference_error=reference.standard_error if reference else None,
        limit=limit,
        verdict=verdict,
    )


def _verdict(deviation: float, limit: float, tolerance: float) -> FigureVerdict:
    if deviation > limit:
        return "drifted"
    return "ok" if limit <= _MOST_UNCERTAIN * tolerance else "undecided"


def _told(judged: tuple[JudgedFigure, ...], verdict: CheckVerdict, *, assumes: bool) -> str:
    if verdict == "drifted":
        changes = "; ".join(_change(each, assumes=assumes) for each in judged if each.verdict == "drifted")
        return f"the camera has drifted: {changes}"
    if verdict == "ok":
        fine = ", ".join(each.title for each in judged if each.verdict == "ok")
        return f"the camera is as it was when the noise model was made: {fine}"
    return "the images do not tell whether the camera has drifted"


def _change(figure: JudgedFigure, *, assumes: bool) -> str:
    title = _ASSUMING.get(figure.name, figure.title) if assumes else figure.title
    unit = "" if figure.unit == "1" else f" {figure.unit}"
    return (
        f"{title} {figure.value:.4g} +- {figure.standard_error:.2g}{unit}, was {figure.reference:.4g} "
        f"(limit: a change of {figure.limit:.2g})"
    )
