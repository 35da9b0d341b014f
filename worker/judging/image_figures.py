"""What images of a specimen tell of a camera: its gain and, taking its read noise for granted, its offset."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_store.contracts.camera_figures import CameraFigures, Figure, FigureName
from worker.engine.noise.measuring.photon_transfer import Estimate
from worker.judging.camera_figures import NO_DARK, offset_by_line
from worker.judging.image_transfer import FixedPattern, image_transfer

TOO_DIM = "the signals of the image are too dim, too even or too few for its noise to tell a gain"
_HOW = "noise of neighbouring pixels of the image"


def image_figures(
    planes: Iterable[NDArray[Any]], known: CameraFigures, *, rounding_adu2: float
) -> CameraFigures:
    """Return the figures of planes (Y, X) in ADU; `known`: those of the noise model they are held against.

    What pixels differ by counts as noise in an image, and is subtracted as far as it is known.
    """
    offset_adu = known.value_of(FigureName.OFFSET)
    gain_adu = known.value_of(FigureName.GAIN)
    read_noise = _read_noise(known)
    untold = dict.fromkeys(
        (FigureName.READ_NOISE, FigureName.LINEARITY, FigureName.HOT_PIXELS),
        "an image of a specimen does not tell it",
    )
    untold[FigureName.READ_NOISE] = NO_DARK
    pattern = FixedPattern(known.pattern_light or 0.0, known.pattern_dark_adu2 or 0.0)
    line = None
    if offset_adu is not None and gain_adu is not None:
        read_adu2 = (read_noise.value * gain_adu) ** 2
        line = image_transfer(planes).line(offset_adu, pattern, read_adu2)
    if line is None:
        return CameraFigures(
            figures={}, untold={FigureName.GAIN: TOO_DIM, FigureName.OFFSET: TOO_DIM, **untold}
        )
    gain = Figure(value=line.gain_adu, standard_error=float(np.sqrt(line.covariance[1, 1])), how=_HOW)
    offset = offset_by_line(line, read_noise, rounding_adu2)
    return CameraFigures(
        figures={FigureName.GAIN: gain, FigureName.OFFSET: offset},
        untold=untold,
        assumed_read_noise_e=read_noise.value,
    )


def _read_noise(known: CameraFigures) -> Estimate:
    if known.assumed_read_noise_e is not None:
        return Estimate(known.assumed_read_noise_e, 0.0)
    figure = known.figures.get(FigureName.READ_NOISE)
    return Estimate(figure.value, figure.standard_error) if figure else Estimate(0.0, 0.0)
