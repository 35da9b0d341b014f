"""Adaptation of the network for planes with neighbours to the images of a training job, where they help."""

from collections.abc import Sequence
from functools import partial

from models_store.contracts.train_spec import TrainSpec
from worker.attempt.context import JobContext
from worker.attempt.progress import JUDGING_NEIGHBOURS, PREPARING_DISTILLATION, part_of, planes_done
from worker.engine.networks.network import Network
from worker.engine.networks.pretrained import PretrainedNetwork
from worker.engine.noise.models.kinds import AnyNoiseModel
from worker.engine.prediction.choice import choose_estimate
from worker.engine.stages.distillation import network_to_adapt
from worker.engine.stages.movies import estimated_movies
from worker.engine.stages.pretrained import network_for
from worker.engine.training.movies import adapt_to_movies
from worker.engine.training.presets import TrainingPreset
from worker.jobs.inputs import OpenImage, all_planes, load_pretrained_stack
from worker.jobs.progress import report_steps
from worker.jobs.stack_estimates import StackCandidate


def adapted_to_stacks(
    pretrained: PretrainedNetwork,
    spec: TrainSpec,
    images: Sequence[OpenImage],
    noise_model: AnyNoiseModel,
    preset: TrainingPreset,
    context: JobContext,
    *,
    bootstrapped: bool,
) -> Network | None:
    """Return the network for planes with neighbours, adapted to the images; None if neighbours do not help.

    It is the risk estimate that decides, as it does where the pretrained networks compete.
    """
    planes = all_planes(images)
    of_plane = partial(network_for, pretrained, noise_model, bootstrapped=bootstrapped)
    load = partial(load_pretrained_stack, context, spec.pretrained_stack)
    candidate = StackCandidate.of(planes, of_plane, load, context.device)
    if candidate.network is None:
        return None
    choice = choose_estimate(
        planes,
        pretrained=of_plane,
        pretrained_stack=candidate.in_stack,
        noise_model=noise_model,
        seed=spec.seed,
        device=context.device,
        on_plane=planes_done(part_of(context.report, 0, JUDGING_NEIGHBOURS), "neighbours judged on plane"),
    )
    if choice.estimate != "pretrained_stack":
        return None
    movies = estimated_movies(
        planes,
        of_plane,
        candidate.network,
        preset,
        seed=spec.seed,
        device=context.device,
        on_plane=planes_done(
            part_of(context.report, JUDGING_NEIGHBOURS, PREPARING_DISTILLATION), "estimated plane"
        ),
    )
    if not movies:
        return None
    return adapt_to_movies(
        network_to_adapt(candidate.network, planes, noise_model, bootstrapped=bootstrapped),
        movies,
        noise_model,
        preset=preset,
        seed=spec.seed,
        device=context.device,
        on_step=report_steps(part_of(context.report, PREPARING_DISTILLATION, 1)),
    )
