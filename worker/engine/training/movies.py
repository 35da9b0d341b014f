"""Adaptation of the network for planes with neighbours to movies, as single planes have one by `loop`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from worker.engine.devices.memory import raising_out_of_memory
from worker.engine.devices.precision import convolution_precision, repeatable_convolutions
from worker.engine.networks.architecture import build_model, to_device
from worker.engine.networks.light import brightening, in_light_of, light_of, same_exposure
from worker.engine.networks.network import LossPoint, Network
from worker.engine.networks.scale import Scale
from worker.engine.noise.models.likelihood import NoiseModel
from worker.engine.planes.filling import filled
from worker.engine.planes.motion import Motion, Placement, mirrored
from worker.engine.planes.symmetries import SYMMETRIES, apply_symmetry
from worker.engine.training.loop import TrainingStep, finite_loss
from worker.engine.training.presets import TrainingPreset
from worker.engine.training.schedule import learning_rate


@dataclass(frozen=True, eq=False)
class TrainingMovie:
    """Estimates of planes that lie beside each other (T, H, W), ADU, at least as large as a patch.

    A plane without data is NaN. `known`: the pixels to learn from; others were filled, or are padding.
    """

    signal_adu: Tensor
    known: Tensor

    @classmethod
    def of(cls, signal_adu: Tensor, patch_px: int) -> "TrainingMovie":
        """Return the movie of estimates (T, H, W), in which pixels without data are NaN."""
        _, height, width = signal_adu.shape
        known = signal_adu.isfinite()
        padding = (0, max(patch_px - width, 0), 0, max(patch_px - height, 0))
        return cls(
            functional.pad(filled(signal_adu, known), padding, value=torch.nan),
            functional.pad(known, padding, value=False),
        )

    def unpadded(self, place: int) -> Tensor:
        """Return a plane (Y, X) without padding."""
        finite = self.signal_adu[place].isfinite()
        return self.signal_adu[place][finite.any(1)][:, finite.any(0)]

    @property
    def pixels(self) -> int:
        """Number of pixels to learn from."""
        return int(self.known.count_nonzero())


@dataclass(frozen=True, eq=False)
class _Patches:
    """Input (B, T, H, W) of the network, targets (B, H, W) in ADU, and the pixels that count."""

    image: Tensor
    target_adu: Tensor
    known: Tensor


def adapt_to_movies(
    network: Network,
    movies: Sequence[TrainingMovie],
    noise_model: NoiseModel,
    *,
    preset: TrainingPreset,
    seed: int,
    device: torch.device,
    on_step: Callable[[TrainingStep], None],
) -> Network:
    """Return a network that has learned to recover estimates from fresh noise, given those of neighbours.

    `network` sees as many planes and is the start; `movies` has pixels to learn from. Deterministic per seed
    and device. Raises TrainingDivergedError and OutOfMemoryError.
    """
    source = _Source(movies, network.scale, network.reach, noise_model, preset.patch_px)
    generator = torch.Generator().manual_seed(seed)
    held_out = source.draw(preset.patches_per_step, generator)
    steps = preset.steps("distilled", sum(movie.pixels for movie in movies))
    rate = preset.learning_rate("distilled")
    model = build_model(network.model.shape)
    # A copy: the network that it starts from is shared within the process.
    weights = {name: values.clone() for name, values in network.model.state_dict().items()}
    model.load_state_dict(weights, assign=True)
    trained = replace(network, model=to_device(model.requires_grad_(), device).train())
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)
    history: list[LossPoint] = []
    losses: list[float] = []
    with raising_out_of_memory(device, "the patches of a movie"), repeatable_convolutions(device):
        for step in range(steps):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(
                    preset.schedule, rate, step=step, steps=steps, validation_losses=[]
                )
            optimiser.zero_grad()
            loss = _loss(trained, source.draw(preset.patches_per_step, generator), preset, device)
            loss.backward()  # type: ignore[no-untyped-call]
            if preset.gradient_limit is not None:
                torch.nn.utils.clip_grad_norm_(model.parameters(), preset.gradient_limit)
            optimiser.step()
            losses.append(finite_loss(loss.item(), step))
            validation_loss = None
            if (step + 1) % preset.steps_per_validation == 0 or step + 1 == steps:
                with torch.no_grad():
                    validation_loss = finite_loss(_loss(trained, held_out, preset, device).item(), step)
                history.append(LossPoint(step + 1, sum(losses) / len(losses), validation_loss))
                losses = []
            on_step(TrainingStep(step + 1, steps, loss.item(), validation_loss))
    return replace(
        trained,
        model=to_device(model, torch.device("cpu")).requires_grad_(requires_grad=False).eval(),
        method="distilled",
        preset=preset.name,
        seed=seed,
        steps=steps,
        symmetries=preset.symmetries,
        loss_history=tuple(history),
    )


class _Source:
    """Movies under fresh noise."""

    def __init__(
        self,
        movies: Sequence[TrainingMovie],
        scale: Scale,
        reach: int,
        noise_model: NoiseModel,
        patch_px: int,
    ) -> None:
        self._scale = scale
        self._reach = reach
        self._noise_model = noise_model.to(torch.device("cpu"), torch.float32)
        self._patch_px = patch_px
        self._movies = movies
        self._lights = [[light_of(yx.numpy(), scale) for yx in movie.signal_adu] for movie in movies]
        self._motions: dict[tuple[int, int], Motion] = {}
        self._placements: dict[tuple[int, int, int], Placement | None] = {}
        self._centres = [
            (number, place)
            for number, movie in enumerate(movies)
            for place, known in enumerate(movie.known)
            if bool(known.any())
        ]

    def draw(self, count: int, generator: torch.Generator) -> _Patches:
        """Return patches of random planes, places and symmetries."""
        parts = zip(*(self._patch(generator) for _ in range(count)), strict=True)
        return _Patches(*(torch.stack(part) for part in parts))

    def _patch(self, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        number, place = self._centres[_below(len(self._centres), generator)]
        movie = self._movies[number]
        top, left = (_below(size - self._patch_px + 1, generator) for size in movie.signal_adu.shape[1:])
        window = (slice(top, top + self._patch_px), slice(left, left + self._patch_px))
        frames = torch.full((2 * self._reach + 1, self._patch_px, self._patch_px), torch.nan)
        for other in self._alike(number, place):
            frames[self._reach + other - place] = self._seen(number, place, other, window)
        known = frames.isfinite()
        noisy = self._noise_model.sample(frames.nan_to_num(nan=self._scale.origin_adu), generator)
        # What is missing is blank, as where planes are denoised.
        image = torch.where(known, self._scale.normalise(noisy), 0.0)
        target_adu, counts = movie.signal_adu[place][window], movie.known[place][window]
        symmetry = _below(SYMMETRIES, generator)
        image, target_adu, counts = (apply_symmetry(each, symmetry) for each in (image, target_adu, counts))
        return image, target_adu.nan_to_num(nan=self._scale.origin_adu), counts

    def _seen(self, number: int, place: int, other: int, window: tuple[slice, slice]) -> Tensor:
        """Return a window of a plane of a movie as it is seen beside another, as in denoising."""
        signal_yx = self._movies[number].signal_adu[other]
        placement = self._placement(number, place, other)
        if placement is None:
            return signal_yx[window]
        rows, columns = (
            mirrored(size, by)[part]
            for size, by, part in zip(signal_yx.shape, placement.shift, window, strict=True)
        )
        return torch.where(placement.where[window], signal_yx[rows][:, columns], signal_yx[window])

    def _placement(self, number: int, place: int, other: int) -> Placement | None:
        key = number, place, other
        if key not in self._placements:
            movie, light = self._movies[number], self._lights[number]
            factor = brightening(light[place], light[other])
            units_yx = in_light_of(movie.unpadded(other), self._scale, factor)
            found = self._motion(number, place).of(units_yx)
            if found is not None:
                padding = (np.array(movie.signal_adu.shape[1:]) - found.where.shape).tolist()
                found = replace(found, where=functional.pad(found.where, (0, padding[1], 0, padding[0])))
            self._placements[key] = found
        return self._placements[key]

    def _motion(self, number: int, place: int) -> Motion:
        key = number, place
        if key not in self._motions:
            signal_yx = self._movies[number].unpadded(place)
            self._motions[key] = Motion(in_light_of(signal_yx, self._scale))
        return self._motions[key]

    def _alike(self, number: int, place: int) -> list[int]:
        """Return the planes of a movie that are seen with one: itself and neighbours of like exposure."""
        lights = self._lights[number]
        first, end = max(place - self._reach, 0), min(place + self._reach + 1, len(lights))
        return [
            other
            for other in range(first, end)
            if other == place or same_exposure(lights[place], lights[other])
        ]


def _below(limit: int, generator: torch.Generator) -> int:
    return int(torch.randint(limit, (), generator=generator))


def _loss(network: Network, patches: _Patches, preset: TrainingPreset, device: torch.device) -> Tensor:
    """Return the mean squared error in variances of the noise at the prediction.

    Weights that depend on the prediction alone leave the conditional mean the best prediction.
    """
    with convolution_precision(device, reduced=preset.reduced_precision):
        features = network.model.features(patches.image.to(device))
    predicted_adu = network.outputs_adu(features.float().permute(0, 2, 3, 1))[..., 0]
    noise_adu = network.scale.noise_adu(predicted_adu.detach())
    errors = ((predicted_adu - patches.target_adu.to(device)) / noise_adu).square()
    known = patches.known.to(device)
    return torch.where(known, errors, 0.0).sum() / known.sum().clamp_min(1)
