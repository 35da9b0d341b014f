"""Figures of a camera from its calibration frames: EMVA 1288's photon transfer over the pixels of a scene."""

from collections.abc import Sequence

import numpy as np

from models_store.contracts.camera_figures import CameraFigures, Figure, FigureName
from worker.engine.noise.measuring.exposure_series import linearity_error
from worker.engine.noise.measuring.photon_transfer import MIN_FRAMES, Estimate, TransferPoints
from worker.engine.noise.measuring.transfer_line import TransferLine, fit_transfer_line
from worker.judging.scene_figures import SceneFigures, joined

NO_LINE = (
    "the variance hardly rises over the signals of the frames: record a scene from dark to bright, or several"
)
NO_DARK = "no dark frames were named (dark_image_ids)"
_MIN_PATTERN_POINTS = 3
_LARGEST_PATTERN = 0.05**2
_LARGEST_LINEARITY_ERROR = 0.1
"""Beyond this, the light has changed between the exposures, or they are of other scenes."""


def camera_figures(
    scenes: Sequence[SceneFigures],
    dark: Sequence[SceneFigures],
    *,
    rounding_adu2: float,
    known: CameraFigures | None = None,
) -> CameraFigures:
    """Return the figures of lit and dark scenes; `known`: those of an earlier calibration.

    Its gain serves dark frames alone, and its read noise tells the offset without dark frames, as the line of
    the variance does not tell one from the other.
    """
    figures: dict[FigureName, Figure] = {}
    untold: dict[FigureName, str] = {}
    frames = f"{sum(each.frames for each in scenes)} frames"
    parts = [each.points for each in scenes] + [each.point for each in dark]
    line = fit_transfer_line(TransferPoints.of(parts)) if scenes else None
    if line is None:
        reason = NO_LINE if scenes or dark else f"a scene needs at least {MIN_FRAMES} frames"
        untold |= dict.fromkeys((FigureName.GAIN, FigureName.LINEARITY), reason)
    else:
        figures[FigureName.GAIN] = _figure(line.gain, frames)
        figures[FigureName.LINEARITY] = _figure(
            line.bend, f"{frames}, bend of the photon transfer curve", 100
        )
    series = _linearity_of_exposures(scenes)
    if series is not None:
        figures[FigureName.LINEARITY] = series
        untold.pop(FigureName.LINEARITY, None)
    assumed = _add_dark(figures, untold, line, dark, rounding_adu2=rounding_adu2, known=known)
    if dark or scenes:
        _add_correlation(figures, [*scenes, *dark])
        figures[FigureName.HOT_PIXELS] = _hot_pixels(
            dark[0] if dark else scenes[0], "dark" if dark else "lit"
        )
    light, dark_adu2 = _pattern(scenes, dark, line, figures.get(FigureName.OFFSET))
    return CameraFigures(
        figures=figures,
        untold=untold,
        assumed_read_noise_e=assumed,
        linearity_of_exposures=series is not None,
        pattern_light=light,
        pattern_dark_adu2=dark_adu2,
    )


def _linearity_of_exposures(scenes: Sequence[SceneFigures]) -> Figure | None:
    """Return the linearity error of scenes at several exposures; None if they are no series of one light."""
    series = [(each.exposure_s, each.mean_adu) for each in scenes if each.exposure_s is not None]
    if not series:
        return None
    exposure_s, means = zip(*series, strict=True)
    found = linearity_error(exposure_s, [each.value for each in means], [each.error for each in means])
    if found is None or found.value > _LARGEST_LINEARITY_ERROR:
        return None
    return _figure(found, f"{len(series)} exposures of {min(exposure_s):g} to {max(exposure_s):g} s", 100)


def _add_dark(
    figures: dict[FigureName, Figure],
    untold: dict[FigureName, str],
    line: TransferLine | None,
    dark: Sequence[SceneFigures],
    *,
    rounding_adu2: float,
    known: CameraFigures | None,
) -> float | None:
    """Add offset and read noise; return the read noise that the offset assumes."""
    gain = line.gain if line else _known(known, FigureName.GAIN)
    comparable = known is None or known.assumed_read_noise_e is None
    if dark and gain is not None:
        variance = joined([each.variance_adu2 for each in dark])
        figures[FigureName.READ_NOISE] = _read_noise(variance, gain, rounding_adu2)
    if dark and comparable:
        figures[FigureName.OFFSET] = _figure(joined([each.mean_adu for each in dark]), "dark frames")
        return None
    if not dark:
        untold[FigureName.READ_NOISE] = NO_DARK
    if line is None:
        untold.setdefault(FigureName.OFFSET, NO_DARK if not dark else NO_LINE)
        return None
    if known is not None and not comparable:
        read_noise = Estimate(known.assumed_read_noise_e or 0.0, 0.0)
    else:
        read_noise = _known(known, FigureName.READ_NOISE) or Estimate(0.0, 0.0)
    figures[FigureName.OFFSET] = offset_by_line(line, read_noise, rounding_adu2)
    return read_noise.value


def offset_by_line(line: TransferLine, read_noise_e: Estimate, rest_adu2: float) -> Figure:
    """Return the signal at which the line of the variance reaches that of the read noise."""
    found = line.dark_signal_adu(read_noise_e.value**2, rest_adu2)
    from_read_noise = 2 * line.gain_adu * read_noise_e.value * read_noise_e.error
    how = f"line of the variance, taking {read_noise_e.value:.3g} e- of read noise for granted"
    return _figure(Estimate(found.value, float(np.hypot(found.error, from_read_noise))), how)


def _read_noise(variance_adu2: Estimate, gain: Estimate, rounding_adu2: float) -> Figure:
    own_adu2 = max(variance_adu2.value - rounding_adu2, variance_adu2.error)
    value = own_adu2**0.5 / gain.value
    relative = np.hypot(variance_adu2.error / own_adu2 / 2, gain.error / gain.value)
    return _figure(Estimate(value, float(value * relative)), "dark frames")


def _add_correlation(figures: dict[FigureName, Figure], scenes: Sequence[SceneFigures]) -> None:
    for axis, name in enumerate((FigureName.CORRELATION_Y, FigureName.CORRELATION_X)):
        figures[name] = _figure(joined([each.correlation_yx[axis] for each in scenes]), "frames")


def _hot_pixels(scene: SceneFigures, light: str) -> Figure:
    """Return the share of pixels that stand out of the mean frame; its error is that of counting."""
    return Figure(
        value=100 * scene.outliers_px / scene.pixels,
        standard_error=100 * max(scene.outliers_px, 1) ** 0.5 / scene.pixels,
        how=f"mean of {scene.frames} {light} frames",
    )


def _pattern(
    scenes: Sequence[SceneFigures],
    dark: Sequence[SceneFigures],
    line: TransferLine | None,
    offset: Figure | None,
) -> tuple[float | None, float | None]:
    """Return what pixels differ by, per square of the signal and in the dark, from means of scenes."""
    if line is None or offset is None:
        return None, None
    above, variance, error = [], [], []
    for each in (*scenes, *dark):
        found = each.mean_transfer
        noise_adu2 = line.variance_adu2(found.signal_adu, 0.0) / each.frames
        above.append(found.signal_adu - offset.value)
        variance.append(found.variance_adu2 - noise_adu2)
        error.append(found.variance_adu2 * found.relative_error)
    signal_adu, excess_adu2, error_adu2 = (np.concatenate(each) for each in (above, variance, error))
    if len(signal_adu) < _MIN_PATTERN_POINTS or (error_adu2 <= 0).any():
        return None, None
    columns = np.stack([signal_adu**2, np.ones_like(signal_adu)], axis=1) / error_adu2[:, None]
    light, dark_adu2 = np.linalg.lstsq(columns, excess_adu2 / error_adu2)[0]
    # Structure of a scene in focus is no pattern of the camera.
    return (None, None) if light > _LARGEST_PATTERN else (float(max(light, 0)), float(max(dark_adu2, 0)))


def _known(known: CameraFigures | None, name: FigureName) -> Estimate | None:
    figure = known.figures.get(name) if known else None
    return Estimate(figure.value, figure.standard_error) if figure else None


def _figure(estimate: Estimate, how: str, factor: float = 1.0) -> Figure:
    return Figure(value=factor * estimate.value, standard_error=abs(factor) * estimate.error, how=how)
