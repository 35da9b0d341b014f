"""Time until each preset comes within 0.2 dB of the paper's preset."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean

from rich.table import Table

from benchmarks.work import CPU, step_flop
from models_store.survey.survey import survey_planes
from worker.engine.networks.architecture import build_model
from worker.engine.networks.checkpoint import deserialise
from worker.engine.networks.network import Network, TrainingMethod
from worker.engine.networks.scale import Scale
from worker.engine.noise.measuring.facts import ImageFacts
from worker.engine.noise.models.kinds import AnyNoiseModel
from worker.engine.planes.sequence import PlaneSequence
from worker.engine.prediction.inference import predict_plane
from worker.engine.scores.metrics import affine_invariant_psnr, psnr
from worker.engine.stages.bootstrap import bootstrap_noise_model
from worker.engine.stages.denoise import refit_noise_model
from worker.engine.stages.distillation import estimates_of_pn2v, first_weights
from worker.engine.training.loop import TrainingStep, train
from worker.engine.training.presets import TrainingPreset
from worker.judging.image_facts import facts_of
from worker.reproduction.datasets import Dataset
from worker.reproduction.methods import MMSE, PRIOR_MEAN, Budget, Experiment, PaperMethod

SLACK_DB = 0.2
SEED = 0
SCORED_IMAGES = 4
GROWTH = 1.25
"""Ratio of the steps of successive evaluations; they coincide with validations, which write checkpoints."""

Show = Callable[[str], None]


@dataclass(frozen=True)
class Milestone:
    """State of a run when it reached the target, or at its end."""

    preset: str
    psnr_db: float
    reached: bool
    seconds: float
    """Time of training, the noise model and one prediction of the scored images; excludes all evaluations."""
    n2v_steps: int
    pn2v_steps: int
    distillation_steps: int = 0


@dataclass(frozen=True)
class Comparison:
    """Results of the paper's preset and others on one dataset."""

    dataset: str
    paper: Milestone
    others: tuple[Milestone, ...]


class _TargetReachedError(Exception):
    """Raised to end a run that has reached its target."""


def compare(
    dataset: Dataset, paper: TrainingPreset, presets: Sequence[TrainingPreset], *, folder: Path, show: Show
) -> Comparison:
    """Measure the paper's preset, then the others; `folder` caches the paper's networks."""
    reference = _paper(dataset, paper, folder, show)
    target_db = reference.psnr_db - SLACK_DB
    show(f"{dataset.name}: {paper.name} {reference.psnr_db:.2f} dB in {reference.seconds:.0f} s")
    others = [Run(dataset, preset, target_db, show).train_to_target() for preset in presets]
    return Comparison(dataset.name, reference, tuple(others))


def compare_second_stage(
    dataset: Dataset, paper: TrainingPreset, presets: Sequence[TrainingPreset], *, pn2v_steps: int, show: Show
) -> Comparison:
    """Compare with `pn2v_steps` steps of the paper's PN2V alone, which takes at most a third of the work.

    It gets the last preset's noise model; the paper's N2V network would serve only to bootstrap one.
    """
    runs = [Run(dataset, preset, math.inf, show) for preset in presets]
    for run in runs:
        run.train_to_target()
    reference = Run(dataset, replace(paper, pn2v_steps=pn2v_steps), math.inf, show, runs[-1].noise_model)
    best = reference.train_second_stage()
    others = tuple(run.first_reaching(best.psnr_db - SLACK_DB) for run in runs)
    return Comparison(dataset.name, best, others)


def _paper(dataset: Dataset, preset: TrainingPreset, folder: Path, show: Show) -> Milestone:
    def show_validation(title: str, fraction: float, detail: str) -> None:
        if round(fraction * preset.pn2v_steps) % preset.steps_per_validation == 0:
            show(f"{title}: {detail}")

    budget = Budget(preset, CPU, SCORED_IMAGES)
    experiment = Experiment(dataset, budget, repeat=0, seed=SEED, folder=folder, show=show_validation)
    n2v, pn2v = experiment.n2v_start(), experiment.run(PaperMethod.BOOT_GMM)
    if not preset.warm_start:
        # The bootstrap needs the N2V network in any case.
        pn2v = pn2v.after(n2v)
    psnr_db = max(
        fmean(
            each.affine_invariant_psnr_db if dataset.other_scale else each.psnr_db
            for each in pn2v.scores[estimate]
        )
        for estimate in (PRIOR_MEAN, MMSE)
    )
    return Milestone(
        preset.name,
        psnr_db,
        reached=True,
        seconds=pn2v.seconds,
        n2v_steps=preset.n2v_steps,
        pn2v_steps=preset.pn2v_steps,
    )


@dataclass
class Run:
    """Training run of one preset, evaluated at its checkpoints with the clock stopped."""

    dataset: Dataset
    preset: TrainingPreset
    target_db: float
    show: Show
    noise_model: AnyNoiseModel | None = None
    facts: ImageFacts = field(init=False)
    images_px: int = field(init=False)
    history: list[Milestone] = field(default_factory=list)
    due_step: int = 0
    stage_steps: int = 0
    started_s: float = 0.0
    paused_s: float = 0.0
    finished: dict[TrainingMethod, int] = field(default_factory=dict)
    """Steps of each finished stage."""

    def __post_init__(self) -> None:
        planes = self.dataset.noisy_planes()
        self.facts = facts_of(survey_planes(planes))
        self.images_px = sum(planes[index].size for index in range(len(planes)))

    def train_to_target(self) -> Milestone:
        """Train all stages, stopping as soon as the target is reached."""
        planes, of_teachers = self.dataset.noisy_planes(), self.preset.of_teachers()
        self.started_s = time.perf_counter()
        try:
            n2v = self._train("n2v", planes, of_teachers)
            self.noise_model = bootstrap_noise_model(
                planes, n2v, facts=self.facts, seed=SEED, device=CPU, on_plane=lambda *_: None
            ).fitted.model
            start = n2v if self.preset.warm_start else None
            pn2v = self._train("pn2v", planes, of_teachers, start)
            if self.preset.distillation_steps:
                refitted = refit_noise_model(
                    planes, pn2v, "gmm", facts=self.facts, seed=SEED, device=CPU, on_plane=lambda *_: None
                )
                noise_model = self.noise_model = refitted.fitted.model if refitted else self.noise_model
                estimates = estimates_of_pn2v(planes, pn2v, noise_model, CPU)
                self._train("distilled", estimates, self.preset, first_weights(pn2v, self.preset))
        except _TargetReachedError:
            pass
        return self.first_reaching(self.target_db)

    def train_second_stage(self) -> Milestone:
        """Train PN2V alone with the given noise model; return its best evaluation."""
        self.started_s = time.perf_counter()
        self._train("pn2v", self.dataset.noisy_planes(), self.preset)
        return replace(max(self.history, key=lambda moment: moment.psnr_db), reached=True)

    def first_reaching(self, target_db: float) -> Milestone:
        """Return the first evaluation that reached the target, or the last one."""
        if not self.history:
            raise ValueError(f"preset {self.preset.name} has no steps")
        enough = (moment for moment in self.history if moment.psnr_db >= target_db)
        moment = next(enough, self.history[-1])
        return replace(moment, reached=moment.psnr_db >= target_db)

    def _train(
        self,
        method: TrainingMethod,
        planes: PlaneSequence,
        preset: TrainingPreset,
        start: Network | None = None,
    ) -> Network:
        self.due_step, self.stage_steps = 0, preset.steps(method, self.images_px)
        network = train(
            planes,
            method=method,
            preset=preset,
            noise_model=None if method == "n2v" else self.noise_model,
            start=start,
            seed=SEED,
            device=CPU,
            checkpoints=self,
            on_step=self._stop_if_reached,
        )
        self.finished[method] = network.steps
        return network

    def load(self) -> bytes | None:
        """Return None: every run starts from scratch."""
        return None

    def save(self, content: bytes) -> None:
        """Evaluate the network of a checkpoint if an evaluation is due."""
        pause_began_s = time.perf_counter()
        network = _network_of(content, self.preset)
        if network.steps >= min(self.due_step, self.stage_steps):
            self.due_step = math.ceil(GROWTH * network.steps)
            predicted_s = time.perf_counter()
            psnr_db = self._psnr_db(network)
            prediction_s = time.perf_counter() - predicted_s
            steps = self.finished | {network.method: network.steps}
            moment = Milestone(
                self.preset.name,
                psnr_db,
                reached=psnr_db >= self.target_db,
                seconds=pause_began_s - self.started_s - self.paused_s + prediction_s,
                n2v_steps=steps.get("n2v", 0),
                pn2v_steps=steps.get("pn2v", 0),
                distillation_steps=steps.get("distilled", 0),
            )
            self.history.append(moment)
            wanted = "" if math.isinf(self.target_db) else f" of {self.target_db:.2f}"
            self.show(
                f"{self.dataset.name}: {self.preset.name} {network.method} step {network.steps}, "
                f"{psnr_db:.2f}{wanted} dB in {moment.seconds:.0f} s"
            )
        self.paused_s += time.perf_counter() - pause_began_s

    def _stop_if_reached(self, _: TrainingStep) -> None:
        if self.history and self.history[-1].reached:
            raise _TargetReachedError

    def _psnr_db(self, network: Network) -> float:
        """Return the mean PSNR (dB) of the better estimate, as for the paper's preset."""
        scored = self.dataset.scored_images(SCORED_IMAGES)
        noise_model = self.noise_model if network.method == "pn2v" else None
        estimates = [
            predict_plane(network, each.noisy_yx, noise_model=noise_model, device=CPU) for each in scored
        ]
        images = [[each.prior_mean_yx for each in estimates]]
        if noise_model is not None:
            images.append([each.mmse_yx for each in estimates if each.mmse_yx is not None])
        measure = affine_invariant_psnr if self.dataset.other_scale else psnr
        return max(fmean(map(measure, of_kind, (each.truth_yx for each in scored))) for of_kind in images)


def _network_of(checkpoint: bytes, preset: TrainingPreset) -> Network:
    tensors, description = deserialise(checkpoint)
    method: TrainingMethod = description["method"]
    model = build_model(preset.shape(method))
    weights = {name: tensors[f"model.{name}"] for name in model.state_dict()}
    model.load_state_dict(weights, assign=True)
    return Network(
        model=model.requires_grad_(requires_grad=False).eval(),
        method=method,
        preset=preset.name,
        seed=description["seed"],
        steps=description["step"],
        scale=Scale.from_parameters(description["scale"]),
        symmetries=preset.symmetries,
    )


def training_flop(preset: TrainingPreset, moment: Milestone) -> float:
    """Return the floating-point operations (convolutions and matrix products) of all steps so far."""
    steps: dict[TrainingMethod, int] = {
        "n2v": moment.n2v_steps,
        "pn2v": moment.pn2v_steps,
        "distilled": moment.distillation_steps,
    }
    return sum(number * step_flop(preset, method) for method, number in steps.items() if number)


def table(comparisons: Sequence[Comparison], presets: Mapping[str, TrainingPreset]) -> Table:
    """Render seconds and operations, each relative to the paper's preset on the same data."""
    rendered = Table(
        "data",
        "preset",
        "PSNR, dB",
        "steps of N2V + PN2V + distillation",
        "seconds",
        "speed-up",
        "training, TFLOP",
        "work reduction",
        title=f"Time until within {SLACK_DB} dB of the paper's preset (CPU, seed {SEED})",
    )
    for comparison in comparisons:
        paper_flop = training_flop(presets[comparison.paper.preset], comparison.paper)
        for moment in (comparison.paper, *comparison.others):
            flop = training_flop(presets[moment.preset], moment)
            rendered.add_row(
                comparison.dataset,
                moment.preset,
                f"{moment.psnr_db:.2f}" if moment.reached else f"{moment.psnr_db:.2f}, not reached",
                f"{moment.n2v_steps} + {moment.pn2v_steps} + {moment.distillation_steps}",
                f"{moment.seconds:.0f}",
                f"{comparison.paper.seconds / moment.seconds:.1f}x",
                f"{flop / 1e12:.1f}",
                f"{paper_flop / flop:.1f}x",
            )
    return rendered
