"""Job handlers: bootstrap a noise model from noisy images and their denoised versions, and refit it."""

from models_store.contracts.noise_model_specs import BootstrapNoiseModelSpec, RefitNoiseModelSpec
from models_store.contracts.outcomes import Outcome
from models_store.contracts.vocabulary import NoiseModelOrigin
from worker.attempt.context import JobContext
from worker.attempt.progress import COMPARING_PIXELS, part_of, planes_done
from worker.engine.noise.models.kinds import kind_of
from worker.engine.stages import bootstrap
from worker.engine.stages.denoise import refit_noise_model as refit
from worker.jobs.inputs import (
    all_planes,
    load_network,
    load_noise_model,
    load_source_of_signal,
    open_images,
    survey_of,
)
from worker.jobs.made_noise_models import made_noise_model
from worker.judging.image_facts import facts_of


def bootstrap_noise_model(spec: BootstrapNoiseModelSpec, context: JobContext) -> Outcome:
    """Fit a noise model with the network's predictions as pseudo ground truth."""
    network = load_source_of_signal(context, spec.network)
    with open_images(context, spec.image_ids, spec.channel) as images:
        selected = bootstrap.bootstrap_noise_model(
            all_planes(images),
            network,
            facts=facts_of(survey_of(context, images)),
            kind=spec.noise_model_kind.value,
            seed=spec.seed,
            device=context.device,
            on_plane=planes_done(part_of(context.report, 0, COMPARING_PIXELS), "denoised plane"),
        )
    made = made_noise_model(selected, NoiseModelOrigin.BOOTSTRAP, context, spec.image_ids)
    return Outcome(noise_model=made)


def refit_noise_model(spec: RefitNoiseModelSpec, context: JobContext) -> Outcome:
    """Refit a bootstrapped noise model to a better network's predictions; keep the old one if that fails."""
    known, noise_model = load_noise_model(context, spec.noise_model)
    _, network = load_network(context, spec.network)
    with open_images(context, spec.image_ids, spec.channel) as images:
        refitted = refit(
            all_planes(images),
            network,
            kind_of(noise_model),
            facts=facts_of(survey_of(context, images)),
            seed=spec.seed,
            device=context.device,
            on_plane=planes_done(part_of(context.report, 0, COMPARING_PIXELS), "denoised plane"),
        )
    if refitted is None:
        return Outcome(result={"noise_model_id": known.noise_model_id})
    made = made_noise_model(refitted, NoiseModelOrigin.BOOTSTRAP, context, spec.image_ids)
    return Outcome(noise_model=made)
