"""Fitting a noise model to noisy images and their denoised versions, as a job."""

from models_store.contracts.job_specs import BootstrapNoiseModelSpec
from models_store.contracts.outcomes import Outcome
from models_store.contracts.vocabulary import NoiseModelOrigin
from worker.attempt.context import JobContext
from worker.engine.stages import bootstrap
from worker.jobs.inputs import all_planes, load_network, open_images
from worker.jobs.made_noise_models import made_noise_model


def bootstrap_noise_model(spec: BootstrapNoiseModelSpec, context: JobContext) -> Outcome:
    """Fit the noise model; the network's predictions stand in for the signal."""
    _, network = load_network(context, spec.network)
    with open_images(context, spec.image_ids) as images:
        selected = bootstrap.bootstrap_noise_model(
            all_planes(images),
            network,
            kind=spec.noise_model_kind.value,
            seed=spec.seed,
            device=context.device,
            on_plane=lambda done, planes: context.report(
                0.9 * done / planes, f"plane {done} of {planes} denoised"
            ),
        )
    return Outcome(noise_model=made_noise_model(selected, NoiseModelOrigin.BOOTSTRAP))
