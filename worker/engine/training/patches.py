"""Training images of a run, and sampling of patches from them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from worker.engine.errors import ImageUnsuitableError
from worker.engine.networks.scale import Scale
from worker.engine.noise.models.likelihood import NoiseModel
from worker.engine.planes.filling import filled
from worker.engine.planes.sequence import PlaneSequence
from worker.engine.planes.symmetries import SYMMETRIES, apply_symmetry
from worker.engine.training.batches import MaskedBatch
from worker.engine.training.masking import MaskedPatches, mask_patches, mask_pixels
from worker.engine.training.presets import TrainingPreset, Validation
from worker.engine.training.scaling import scale_of, scale_of_signals

_WINDOW_LIMIT_PX = 4096
_HELD_OUT_BOX_PX = 8
_HELD_OUT_FRACTION = 0.05
_VALIDATION_PATCHES = 32


@dataclass(frozen=True, eq=False)
class TrainingImage:
    """One training image, padded to at least the size of a patch; masks are bool (H, W)."""

    observation_adu: Tensor
    usable: Tensor
    """Finite pixels that are not padding."""
    held_out: Tensor
    """Usable pixels reserved for validation."""
    signal_adu: Tensor | None = None
    """Training target of supervised training."""


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """All training images of one run with their scale."""

    images: tuple[TrainingImage, ...]
    training_px: Tensor
    """Number of maskable pixels of each image, which is its sampling weight."""
    scale: Scale
    signal_scale: Scale | None = None

    @property
    def usable_px(self) -> int:
        """Number of usable pixels of all images, including held-out ones."""
        return sum(int(image.usable.count_nonzero()) for image in self.images)

    def draw(self, preset: TrainingPreset, generator: torch.Generator, *, masked: bool = True) -> MaskedBatch:
        """Sample the patches of one step with random symmetries, and with masks if `masked`."""
        chosen = torch.multinomial(
            self.training_px, preset.patches_per_step, replacement=True, generator=generator
        )
        symmetries = torch.randint(SYMMETRIES, (preset.patches_per_step,), generator=generator)
        patches = [
            _cut(self.images[image], preset.patch_px, symmetry, generator)
            for image, symmetry in zip(chosen.tolist(), symmetries.tolist(), strict=True)
        ]
        observation, usable, held_out, signal = _stack(patches)
        if signal is not None:
            return _unmasked(_complete(observation, usable), signal, usable & ~held_out)
        if not masked:
            return _unmasked(_complete(observation, usable), observation, usable & ~held_out)
        patches_masked = mask_patches(
            observation,
            maskable=usable & ~held_out,
            usable=usable,
            box_px=mask_spacing_px(preset),
            blind_px=_blind_px(preset, symmetries),
            generator=generator,
        )
        return _masked(patches_masked, observation, usable)

    def draw_validation(
        self, preset: TrainingPreset, generator: torch.Generator, *, masked: bool = True
    ) -> MaskedBatch:
        """Sample patches with masked held-out pixels, once per run, so that validation losses compare."""
        sizes = torch.tensor([image.held_out.count_nonzero() for image in self.images], dtype=torch.float64)
        chosen = torch.multinomial(sizes, _VALIDATION_PATCHES, replacement=True, generator=generator)
        patches = []
        for index in chosen.tolist():
            image = self.images[index]
            patches.append(_cut(image, preset.patch_px, 0, generator, around=image.held_out))
        observation, usable, held_out, signal = _stack(patches)
        if signal is not None:
            return _unmasked(_complete(observation, usable), signal, held_out)
        if not masked:
            return _unmasked(_complete(observation, usable), observation, held_out)
        sparse = _one_per_box(held_out, mask_spacing_px(preset), generator)
        blind_px = _blind_px(preset, torch.zeros(len(chosen), dtype=torch.long))
        patches_masked = mask_pixels(
            observation, mask=sparse, usable=usable, blind_px=blind_px, generator=generator
        )
        return _masked(patches_masked, observation, usable)


def mask_spacing_px(preset: TrainingPreset) -> int:
    """Return the spacing of blind spots, larger for wider ones, so that enough of a patch stays visible."""
    return preset.mask_box_px + 2 * max(preset.blind_y_px, preset.blind_x_px)


def _blind_px(preset: TrainingPreset, symmetries: Tensor) -> Tensor:
    """Return the blind pixels (B, 2) along y and x of each patch, which rotate with it."""
    upright, turned = (preset.blind_y_px, preset.blind_x_px), (preset.blind_x_px, preset.blind_y_px)
    return torch.tensor([turned if symmetry % 2 else upright for symmetry in symmetries.tolist()])


def collect_training_images(
    planes: PlaneSequence,
    preset: TrainingPreset,
    generator: torch.Generator,
    ground_truth: PlaneSequence | None = None,
    noise_model: NoiseModel | None = None,
) -> TrainingImages:
    """Copy as many planes as the preset allows, without borders that have no finite pixel; hold out pixels.

    Raises ImageUnsuitableError if there are too few finite pixels, or `ground_truth` does not match.
    """
    if ground_truth is not None and len(ground_truth) != len(planes):
        raise ImageUnsuitableError(
            f"there are {len(planes)} noisy planes and {len(ground_truth)} of ground truth; name one of "
            "ground truth for each noisy one"
        )
    chosen: dict[int, Tensor] = {}
    signals: dict[int, Tensor] = {}
    remaining_px = preset.training_px
    order = torch.randperm(len(planes), generator=generator).tolist()
    for index in order:
        plane = torch.tensor(np.asarray(planes[index], dtype=np.float32))
        occupied = _occupied(plane)
        if occupied is None:
            continue
        window = _window(plane[occupied], generator)
        observation = plane[occupied][window].clone()
        if chosen and observation.numel() > remaining_px:
            break
        remaining_px -= observation.numel()
        chosen[index] = observation
        if ground_truth is not None:
            signals[index] = _signal(ground_truth, index, plane)[occupied][window].clone()
    # Restore the order of acquisition, which defines the "last images" held out for validation.
    observations = [chosen[index] for index in sorted(chosen)]
    scale = scale_of(observations, preset.scale, noise_model)
    usable = [_usable(chosen[index], signals.get(index)) for index in sorted(chosen)]
    held_out = _hold_out(usable, preset.validation, generator)
    images = tuple(
        _training_image(
            chosen[index], known, validation, preset.patch_px, scale.tangent[0], signals.get(index)
        )
        for index, known, validation in zip(sorted(chosen), usable, held_out, strict=True)
    )
    training_px = torch.stack([(image.usable & ~image.held_out).sum() for image in images]).double()
    clean = [signals[index] for index in sorted(signals)]
    signal_scale = scale_of_signals(scale, observations, clean) if clean else None
    return TrainingImages(images, training_px, scale, signal_scale)


def _usable(observation: Tensor, signal: Tensor | None) -> Tensor:
    return observation.isfinite() if signal is None else observation.isfinite() & signal.isfinite()


def _signal(ground_truth: PlaneSequence, index: int, observation: Tensor) -> Tensor:
    signal = torch.tensor(np.asarray(ground_truth[index], dtype=np.float32))
    if signal.shape != observation.shape:
        raise ImageUnsuitableError(
            f"plane {index + 1} is {observation.shape[1]} x {observation.shape[0]} pixels, its ground truth "
            f"{signal.shape[1]} x {signal.shape[0]}; both need the same size"
        )
    return signal


def _occupied(plane: Tensor) -> tuple[slice, slice] | None:
    """Return the smallest window with all finite pixels of a plane; None if there are none."""
    finite = plane.isfinite()
    rows, columns = (finite.any(dim=axis).nonzero().flatten().tolist() for axis in (1, 0))
    return (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)) if rows else None


def _window(plane: Tensor, generator: torch.Generator) -> tuple[slice, slice]:
    """Return a random window of a plane, of at most the size limit."""
    corners = [
        int(torch.randint(max(size - _WINDOW_LIMIT_PX, 0) + 1, (), generator=generator))
        for size in plane.shape
    ]
    top, left = corners
    return slice(top, top + _WINDOW_LIMIT_PX), slice(left, left + _WINDOW_LIMIT_PX)


def _hold_out(usable: list[Tensor], validation: Validation, generator: torch.Generator) -> list[Tensor]:
    """Return masks of pixels for validation, of images with these usable pixels."""
    if validation == "scattered-pixels":
        return [_one_per_box(pixels[None], _HELD_OUT_BOX_PX, generator)[0] for pixels in usable]
    held_out = [torch.zeros_like(pixels) for pixels in usable]
    if len(held_out) == 1:
        rows = usable[0].any(dim=1).nonzero().flatten()
        last = rows[len(rows) - math.ceil(_HELD_OUT_FRACTION * len(rows)) :] if len(rows) > 1 else rows[:0]
        held_out[0][last] = True
        return held_out
    for mask in held_out[-math.ceil(_HELD_OUT_FRACTION * len(held_out)) :]:
        mask.fill_(value=True)
    return held_out


def _training_image(
    observation: Tensor,
    usable: Tensor,
    held_out: Tensor,
    patch_px: int,
    fill_adu: float,
    signal: Tensor | None,
) -> TrainingImage:
    height, width = observation.shape
    shape = max(height, patch_px), max(width, patch_px)
    # Padding does not repeat pixels: a copy would leak masked values to the network.
    padded = torch.full(shape, fill_adu)
    padded[:height, :width] = torch.where(usable, observation, fill_adu)
    masks = torch.zeros((2, *shape), dtype=torch.bool)
    masks[0, :height, :width] = usable
    masks[1, :height, :width] = usable & held_out
    if signal is None:
        return TrainingImage(padded, masks[0], masks[1])
    padded_signal = torch.zeros(shape)
    padded_signal[:height, :width] = torch.where(usable, signal, 0.0)
    return TrainingImage(padded, masks[0], masks[1], padded_signal)


def _cut(
    image: TrainingImage,
    patch_px: int,
    symmetry: int,
    generator: torch.Generator,
    around: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """Cut out a patch at a random position, or around a random pixel of the mask `around`."""
    height, width = image.observation_adu.shape
    limits = height - patch_px, width - patch_px
    if around is None:
        top, left = (int(torch.randint(limit + 1, (), generator=generator)) for limit in limits)
    else:
        pixels = around.nonzero()
        centre = pixels[int(torch.randint(len(pixels), (), generator=generator))].tolist()
        top, left = (min(max(at - patch_px // 2, 0), limit) for at, limit in zip(centre, limits, strict=True))
    window = (slice(top, top + patch_px), slice(left, left + patch_px))
    parts = [image.observation_adu, image.usable, image.held_out]
    if image.signal_adu is not None:
        parts.append(image.signal_adu)
    return tuple(apply_symmetry(part[window], symmetry) for part in parts)


def _stack(patches: Sequence[tuple[Tensor, ...]]) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    observation, usable, held_out, *signal = (torch.stack(parts) for parts in zip(*patches, strict=True))
    return observation, usable, held_out, signal[0] if signal else None


def _unmasked(observation: Tensor, target: Tensor, where: Tensor) -> MaskedBatch:
    patches = MaskedPatches(observation, *where.nonzero(as_tuple=True))
    return MaskedBatch(patches, patches.at_masked(target))


def _complete(observation: Tensor, usable: Tensor) -> Tensor:
    return observation if bool(usable.all()) else filled(observation, usable)


def _masked(masked: MaskedPatches, observation: Tensor, usable: Tensor) -> MaskedBatch:
    # Filled after masking: a value filled in before would contain those of the targets beside it.
    image = _complete(masked.image, usable)
    return MaskedBatch(replace(masked, image=image), masked.at_masked(observation))


def _one_per_box(mask: Tensor, box_px: int, generator: torch.Generator) -> Tensor:
    """Keep at most one random pixel of the (B, H, W) mask in each box of a grid."""
    batch, height, width = mask.shape
    rows, columns = -(-height // box_px), -(-width // box_px)
    draw = torch.rand(mask.shape, generator=generator).masked_fill(~mask, -1.0)
    padded = torch.full((batch, rows * box_px, columns * box_px), -1.0)
    padded[:, :height, :width] = draw
    boxes = padded.view(batch, rows, box_px, columns, box_px)
    greatest = boxes.amax(dim=(2, 4), keepdim=True)
    kept = (boxes == greatest) & (boxes >= 0)
    return kept.reshape(padded.shape)[:, :height, :width]
