"""Figures of a camera that a noise model stands for."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from models_store.contracts.camera_figures import CameraFigures, Figure, FigureName
from models_store.contracts.noise_models import NoiseModelParameters
from models_store.noise_model_files.moments import variance_adu2
from worker.engine.noise.measuring.photon_transfer import TransferPoints
from worker.engine.noise.measuring.transfer_line import fit_transfer_line

BASELINE = "camera"
"""Key of the figures among the findings of a calibration."""

_SIGNALS = 32
_ASSUMED_ERROR = 0.02
"""Relative error of variances of a model whose calibration told no figures: its fit does not state any."""


def camera_reference(
    parameters: NoiseModelParameters, fit_quality: Mapping[str, Any]
) -> tuple[CameraFigures, str] | None:
    """Return the figures of a noise model and where they are from: its calibration, or else its moments.

    None if its variance does not rise with the signal.
    """
    if (kept := fit_quality.get(BASELINE)) is not None:
        return CameraFigures.model_validate(kept), "the calibration of the noise model"
    signal_adu = np.linspace(parameters.signal_min_adu, parameters.signal_max_adu, _SIGNALS)
    with np.errstate(all="ignore"):  # polynomials of an imported file may overflow
        variance = variance_adu2(parameters, signal_adu)
    usable = np.isfinite(variance) & (variance > 0)
    error = _ASSUMED_ERROR * variance[usable] * usable.sum() ** 0.5
    moments = np.stack([error**2, np.zeros_like(error), np.zeros_like(error)])
    line = fit_transfer_line(TransferPoints(signal_adu[usable], variance[usable], moments))
    if line is None:
        return None
    how = "line through the variances of the noise model"
    offset = line.dark_signal_adu(0.0, 0.0)
    figures = {
        FigureName.GAIN: Figure(value=line.gain.value, standard_error=line.gain.error, how=how),
        FigureName.OFFSET: Figure(
            value=offset.value, standard_error=offset.error, how=f"{how}, without any read noise"
        ),
    }
    return CameraFigures(figures=figures, assumed_read_noise_e=0.0), "the variances of the noise model"
