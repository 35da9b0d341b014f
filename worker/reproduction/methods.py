"""The six methods of the paper on one dataset, with equal numbers of training steps."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from models_store.contracts.progress import ShowStage
from models_store.survey.survey import survey_planes
from worker.engine.networks.network import Network, TrainingMethod
from worker.engine.noise.fitting.fit import fit_gmm
from worker.engine.noise.fitting.pairs import PairCounts
from worker.engine.noise.models.histogram import HistogramNoiseModel
from worker.engine.noise.models.kinds import AnyNoiseModel, NoiseModelKind
from worker.engine.noise.models.likelihood import NoiseModel
from worker.engine.planes.sequence import PlaneSequence, evenly_spaced
from worker.engine.prediction.inference import predict_plane
from worker.engine.scores.metrics import Scores, affine_invariant_psnr, psnr, score
from worker.engine.stages.bootstrap import UNRELIABLE_FRACTION, bootstrap_noise_model
from worker.engine.training.loop import TrainingStep, train
from worker.engine.training.presets import TrainingPreset
from worker.judging.image_facts import facts_of
from worker.reproduction.calibration_subsets import CalibrationPairs, CalibrationSubset, count_calibration
from worker.reproduction.datasets import Dataset
from worker.reproduction.result_cache import MethodResult, ResultCache

COMPONENTS, COEFFICIENTS = 3, 2
"""K and n of the calibrated mixtures, as in the paper."""

PRIOR_MEAN, MMSE = "prior mean", "MMSE"
RAW, BEST_BLUR, N2V_START = "raw", "best Gaussian blur", "N2V, where PN2V starts"

BLUR_SIGMAS_PX = np.arange(0.5, 6.0, 0.1)


class PaperMethod(StrEnum):
    """Methods, named as in the paper's Table 1."""

    CARE = "CARE"
    PN2V = "PN2V"
    PN2V_GMM = "PN2V GMM"
    N2V = "N2V"
    BOOT_HIST = "Boot. Hist."
    BOOT_GMM = "Boot. GMM"

    @property
    def calibrated(self) -> bool:
        return self in {PaperMethod.PN2V, PaperMethod.PN2V_GMM}


@dataclass(frozen=True)
class Budget:
    """Budget of every method on every dataset."""

    preset: TrainingPreset
    device: torch.device
    scored_images: int
    """Maximal number of images denoised and scored per dataset."""

    @property
    def supervised_steps(self) -> int:
        """Training steps of CARE: those of PN2V, including its N2V start network's if it starts warm."""
        preset = self.preset
        return preset.n2v_steps + preset.pn2v_steps if preset.warm_start else preset.pn2v_steps


class Experiment:
    """One repeat on one dataset; shared networks and noise models are computed once, as in the paper.

    With a preset that starts PN2V warm, all methods except CARE, including N2V, continue training from the
    same N2V network, so that all have the same number of steps.
    """

    def __init__(
        self, dataset: Dataset, budget: Budget, *, repeat: int, seed: int, folder: Path, show: ShowStage
    ) -> None:
        self.dataset = dataset
        self.repeat = repeat
        self._budget = budget
        self._seed = seed + repeat
        self._show = show
        self._planes = dataset.noisy_planes()
        self._facts = facts_of(survey_planes(self._planes))
        self._scored = dataset.scored_images(budget.scored_images)
        circumstances = {
            "preset": asdict(budget.preset),
            "seed": self._seed,
            "repeat": repeat,
            "scored_images": len(self._scored),
            "data": dataset.fingerprint,
        }
        self._cache = ResultCache(folder, circumstances)

    def baselines(self) -> list[MethodResult]:
        """Score the noisy images themselves and the Gaussian blur of the best width."""
        noisy = [each.noisy_yx for each in self._scored]
        blurred = max(
            ([ndimage.gaussian_filter(each, sigma) for each in noisy] for sigma in BLUR_SIGMAS_PX),
            key=self._mean_psnr,
        )
        rows = {RAW: noisy, BEST_BLUR: blurred}
        return [self._outcome(row, {PRIOR_MEAN: self._scores(images)}) for row, images in rows.items()]

    def run(self, method: PaperMethod) -> MethodResult:
        """Train, denoise and score; the result has no scores if the method is not applicable."""
        if method.calibrated and not self.dataset.calibration:
            return self._outcome(method, {}, note=self.dataset.without_calibration)
        if method is PaperMethod.CARE:
            return self._cache.outcome(self._name(method), self._care)
        if method is PaperMethod.N2V:
            return self._cache.outcome(self._name(method), self._n2v)
        return self.pn2v(method, lambda: self._noise_model(method))

    def pn2v(self, row: str, make_noise_model: Callable[[], AnyNoiseModel]) -> MethodResult:
        """Train PN2V with a noise model, denoise, and score its MMSE estimate and its prior mean."""

        def compute() -> MethodResult:
            n2v_start = self.n2v_start()
            started_s = time.monotonic()
            noise_model = make_noise_model()
            warm = self._budget.preset.warm_start
            start = self.n2v_network if warm else None
            network = self._train(row, method="pn2v", noise_model=noise_model, start=start)
            scores = self._predict(network, noise_model)
            seconds, note = time.monotonic() - started_s, describe(noise_model)
            outcome = self._outcome(row, scores, seconds, network, note)
            return outcome.after(n2v_start) if warm else outcome

        return self._cache.outcome(self._name(row), compute)

    @cached_property
    def n2v_network(self) -> Network:
        """The N2V network that noise models are bootstrapped from and PN2V networks start from."""
        self.n2v_start()
        return Network.from_bytes(self._cache.load_network(self._name(N2V_START)))

    def n2v_start(self) -> MethodResult:
        """Train and score that network."""

        def compute() -> MethodResult:
            started_s = time.monotonic()
            network = self._train(N2V_START, method="n2v")
            self._cache.save_network(self._name(N2V_START), network.to_bytes())
            return self._outcome(N2V_START, self._predict(network), time.monotonic() - started_s, network)

        return self._cache.outcome(self._name(N2V_START), compute)

    @cached_property
    def calibration(self) -> CalibrationPairs:
        return self.calibration_subset(CalibrationSubset())

    def calibration_subset(self, subset: CalibrationSubset) -> CalibrationPairs:
        return count_calibration(self.dataset.calibration, self._planes, subset, seed=self._seed)

    def bootstrap(self, kind: NoiseModelKind) -> AnyNoiseModel:
        """Bootstrap a noise model from the N2V network's predictions of the noisy images."""
        return bootstrap_noise_model(
            self._planes,
            self.n2v_network,
            facts=self._facts,
            kind=kind,
            seed=self._seed,
            device=self._budget.device,
            on_plane=lambda *_: None,
        ).fitted.model

    def bootstrapped_gmm(self, components: int, coefficients: int) -> AnyNoiseModel:
        """Bootstrap a mixture of the given size, which `bootstrap` selects by itself."""
        counts = PairCounts(observation_max_adu=self._facts.saturation_adu)
        for index in evenly_spaced(self._planes):
            plane = self._planes[index]
            signal_yx = predict_plane(self.n2v_network, plane, device=self._budget.device).prior_mean_yx
            counts.add(plane, signal_yx)
        reliable = counts.trimmed(UNRELIABLE_FRACTION, 1 - UNRELIABLE_FRACTION)
        generator = torch.Generator().manual_seed(self._seed)
        return fit_gmm(reliable, components, coefficients, generator=generator).model

    def calibrated_gmm(
        self, pairs: CalibrationPairs, components: int = COMPONENTS, coefficients: int = COEFFICIENTS
    ) -> AnyNoiseModel:
        return pairs.gmm(components, coefficients, seed=self._seed)

    def _noise_model(self, method: PaperMethod) -> AnyNoiseModel:
        if method is PaperMethod.PN2V:
            return self.calibration.histogram.model()
        if method is PaperMethod.PN2V_GMM:
            return self.calibrated_gmm(self.calibration)
        return self.bootstrap("histogram" if method is PaperMethod.BOOT_HIST else "gmm")

    def _care(self) -> MethodResult:
        started_s = time.monotonic()
        noisy, truths = self.dataset.pairs()
        preset = replace(self._budget.preset, n2v_steps=self._budget.supervised_steps)
        network = self._train(
            PaperMethod.CARE, planes=noisy, method="care", ground_truth=truths, preset=preset
        )
        return self._outcome(PaperMethod.CARE, self._predict(network), time.monotonic() - started_s, network)

    def _n2v(self) -> MethodResult:
        start, preset = self.n2v_start(), self._budget.preset
        if not preset.warm_start:
            return replace(start, row=PaperMethod.N2V)
        started_s = time.monotonic()
        preset = replace(preset, n2v_steps=preset.pn2v_steps, n2v_learning_rate=preset.pn2v_learning_rate)
        network = self._train(PaperMethod.N2V, method="n2v", start=self.n2v_network, preset=preset)
        outcome = self._outcome(
            PaperMethod.N2V, self._predict(network), time.monotonic() - started_s, network
        )
        return outcome.after(start)

    def _train(
        self,
        row: str,
        *,
        method: TrainingMethod,
        planes: PlaneSequence | None = None,
        **options: Any,  # noqa: ANN401  # passed on to `train`
    ) -> Network:
        def on_step(step: TrainingStep) -> None:
            self._show(self._name(row), step.step / step.steps, f"step {step.step} of {step.steps}")

        return train(
            planes or self._planes,
            method=method,
            **{"preset": self._budget.preset, **options},
            seed=self._seed,
            device=self._budget.device,
            on_step=on_step,
        )

    def _predict(self, network: Network, noise_model: NoiseModel | None = None) -> dict[str, list[Scores]]:
        predicted = [
            predict_plane(network, each.noisy_yx, noise_model=noise_model, device=self._budget.device)
            for each in self._scored
        ]
        scores = {PRIOR_MEAN: self._scores([each.prior_mean_yx for each in predicted])}
        if noise_model is not None:
            scores[MMSE] = self._scores([each.mmse_yx for each in predicted if each.mmse_yx is not None])
        return scores

    def _scores(self, images: Sequence[NDArray[Any]]) -> list[Scores]:
        return [score(image, each.truth_yx) for image, each in zip(images, self._scored, strict=True)]

    def _mean_psnr(self, images: Sequence[NDArray[Any]]) -> float:
        measure = affine_invariant_psnr if self.dataset.other_scale else psnr
        return math.fsum(
            measure(image, each.truth_yx) for image, each in zip(images, self._scored, strict=True)
        )

    def _outcome(
        self,
        row: str,
        scores: dict[str, list[Scores]],
        seconds: float = 0.0,
        network: Network | None = None,
        note: str = "",
    ) -> MethodResult:
        steps = network.steps if network else 0
        return MethodResult(self.dataset.name, self.repeat, str(row), scores, round(seconds, 1), steps, note)

    def _name(self, row: str) -> str:
        return f"{self.dataset.name} {self.repeat + 1} {row}"


def describe(noise_model: AnyNoiseModel) -> str:
    """Return the kind and size of a noise model."""
    if isinstance(noise_model, HistogramNoiseModel):
        return f"{noise_model.bins} bins of {noise_model.bin_width_adu:.4g} ADU"
    components, coefficients = noise_model.weights.shape[0] // 3, noise_model.weights.shape[1]
    return (
        f"K={components}, n={coefficients}, "
        f"signals {noise_model.signal_min_adu:.5g} to {noise_model.signal_max_adu:.5g} ADU"
    )
