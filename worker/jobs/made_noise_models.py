"""Conversion of the engine's noise models to the store's contract."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

import numpy as np

from models_store.contracts.noise_models import noise_model_parameters
from models_store.contracts.outcomes import MadeNoiseModel, MadePixelPairs
from models_store.contracts.vocabulary import NoiseModelOrigin
from models_store.noise_model_files.pixel_pairs import PixelPairs
from worker.attempt.context import JobContext
from worker.engine.noise.fitting.pairs import PairCounts
from worker.engine.noise.fitting.select import SelectedNoiseModel
from worker.engine.noise.models.kinds import AnyNoiseModel
from worker.jobs.provenance import versions


def made_noise_model(
    selected: SelectedNoiseModel[AnyNoiseModel],
    origin: NoiseModelOrigin,
    context: JobContext,
    image_ids: Sequence[str],
    findings: Mapping[str, Any] | None = None,
) -> MadeNoiseModel:
    """Return the noise model with its fit quality, and store its pixel pairs.

    `findings` describe the frames it was fitted to.
    """
    fitted, check = selected.fitted, selected.check
    return MadeNoiseModel(
        origin=origin,
        parameters=noise_model_parameters.validate_python(fitted.model.parameters()),
        software_version=versions()["clearscope"],
        fit_quality={
            "mean_nll_nats": fitted.mean_nll,
            "pixel_pairs": fitted.pairs,
            "saturated_pixels": fitted.saturated,
            "not_finite_pixels": fitted.not_finite,
            "selected": selected.reason,
            "verdict": check.verdict,
            "check": check.summary,
            **(findings or {}),
        },
        pixel_pairs=_stored(selected.counts, context, image_ids),
    )


def _stored(counts: PairCounts, context: JobContext, image_ids: Sequence[str]) -> MadePixelPairs:
    kept = counts.kept()
    pairs = PixelPairs(
        axes=np.array(astuple(kept.axes)),
        signal_adu=kept.signal_adu,
        saturated=kept.saturated,
        row=kept.row,
        deviation_adu=kept.deviation_adu,
        count=kept.count,
        step_adu=kept.step_adu,
        not_finite=kept.not_finite,
    )
    return MadePixelPairs(
        blob=context.store("pixel_pairs.npz", pairs.to_bytes()),
        image_ids=tuple(image_ids),
        pairs=pairs.pairs,
        signal_min_adu=float(kept.signal_adu.min()),
        signal_max_adu=float(kept.signal_adu.max()),
        saturation_adu=counts.observation_max_adu,
    )
