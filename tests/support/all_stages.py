"""Run all stages of a `denoise` job in this process, on planes in memory."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tifffile
import torch
from numpy.typing import NDArray

from models_store.clock_and_ids import new_id
from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.noise_models import NoiseModelParameters
from models_store.contracts.prediction_specs import PredictSpec
from models_store.contracts.progress import ShowStage
from models_store.contracts.vocabulary import Output, Preset, Prior, Reuse
from models_store.errors import JobFailedError
from models_store.job_requests.plan_denoise import plan_denoise
from models_store.job_requests.plan_prediction import PredictionExtent
from models_store.job_requests.plane_ranges import ImageExtent
from models_store.job_requests.registered_models import KnownModels
from models_store.survey.survey import Survey
from worker.engine.stages.denoise import Denoiser
from worker.engine.training.presets import TrainingPreset
from worker.jobs.estimates import prepare
from worker.jobs.inputs import open_images
from worker.offline.run import offline_run


@dataclass(frozen=True, eq=False)
class AllStages:
    """Denoiser prepared by the stages, and the seconds each took, in the order in which they ran."""

    denoiser: Denoiser
    seconds: Mapping[str, float]
    processor_s: float
    """Processor seconds of all stages together, from the image file to the result file."""

    @property
    def stages(self) -> list[str]:
        return list(self.seconds)


def run_all_stages(
    planes: Sequence[NDArray[Any]],
    preset: TrainingPreset,
    folder: Path,
    *,
    device: torch.device,
    noise_model: NoiseModelParameters | None = None,
    prior: Prior = Prior.NONE,
    show: ShowStage = lambda *_: None,
) -> AllStages:
    """Train everything needed to denoise planes (Y, X); write each plane as an image file to `folder`."""
    name = Preset(preset.name)
    with offline_run(folder, device=device, show=show, presets={name: preset}) as run:
        extents, surveys = [], []
        for index, plane_yx in enumerate(planes):
            path = folder / f"plane_{index}.tif"
            tifffile.imwrite(path, plane_yx)
            image_id, header, survey = run.add_image(path)
            extents.append(ImageExtent(image_id, 1, header.height_px * header.width_px))
            surveys.append(survey)
        spec = DenoiseSpec(
            image_ids=[extent.image_id for extent in extents],
            preset=name,
            prior=prior,
            reuse=Reuse.NONE,
            noise_model=run.add_noise_model(noise_model) if noise_model else None,
            outputs=(Output.DENOISED,),
        )
        plan = plan_denoise(
            spec,
            KnownModels(profile=None),
            PredictionExtent(extents, sum(extent.plane_px for extent in extents)),
            lambda: new_id("job"),
            correlation=Survey.of(surveys).noise_correlation,
        )
        started_s = time.process_time()
        run.begin(spec)
        run.carry_out_plan(plan)
        processor_s = time.process_time() - started_s
        prediction = plan.stages[-1].spec
        if not isinstance(prediction, PredictSpec):
            raise JobFailedError(f"the plan must end with a prediction, not with {prediction.kind}")
        seconds = dict(run.seconds)
        context = run.context("job_again", None, lambda *_: None)
        with open_images(context, prediction.image_ids) as images:
            denoiser = prepare(prediction, context, images, lambda *_: None).denoiser
    if not isinstance(denoiser, Denoiser):
        raise JobFailedError("the prediction has no PN2V network")
    return AllStages(denoiser, seconds, processor_s)
