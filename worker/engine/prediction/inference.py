"""Tiled prediction of whole planes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from worker.engine.devices.execution import execution_on
from worker.engine.devices.memory import AdaptiveBatch, raising_out_of_memory, return_freed_memory
from worker.engine.devices.precision import has_bfloat16
from worker.engine.networks.architecture import Model, to_device
from worker.engine.networks.network import Network
from worker.engine.networks.prior import bent_outputs, mean_of
from worker.engine.networks.rounded import may_be_rounded, rounded
from worker.engine.networks.unet import UNet
from worker.engine.noise.models.likelihood import NoiseModel
from worker.engine.planes.filling import filled
from worker.engine.planes.symmetries import QUARTER_TURNS
from worker.engine.planes.tensors import float_tensor
from worker.engine.planes.tiling import padded_index, tiles
from worker.engine.prediction.posterior import MomentsOfBlock, moments_of_block, samples_per_pixel

_MIN_TILE_PX = 64

_LARGE_PX = 1 << 20
"""Pixels from which the memory that predictions leave behind counts, and the time to return it does not."""
_POSTERIOR_MOMENTS = 3


@dataclass(frozen=True, eq=False)
class Estimate:
    """A network's estimates of one plane, float32 (Y, X) in ADU.

    Without a noise model there is a prior mean only; that of an N2V network is its denoised image.
    """

    prior_mean_yx: np.ndarray
    mmse_yx: np.ndarray | None = None
    posterior_std_yx: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class _Moments:
    """Computes so many rows of moments of the pixels of a block, which has at most `block_px`.

    They are those of the posterior, or, without a noise model, the prior mean alone.
    """

    of_block: MomentsOfBlock
    rows: int
    block_px: int


def predict_plane(
    network: Network,
    plane_yx: np.ndarray,
    *,
    noise_model: NoiseModel | None = None,
    device: torch.device,
    tile_px: int | None = None,
    symmetries: int | range | None = None,
    likelihood_yx: np.ndarray | None = None,
) -> Estimate:
    """Denoise one plane (Y, X) of any size, ADU; the result does not depend on `tile_px`.

    Predictions are averaged over `symmetries` of the square, by default as many as in the network's preset; a
    range names them. Pixels that are not finite are predicted from their neighbourhood; a plane without
    finite pixels stays NaN. `likelihood_yx` are the observations for the likelihood if they differ from the
    network's input. Raises OutOfMemoryError if even the smallest tiles do not fit.
    """
    finite_yx = np.isfinite(plane_yx)
    if not finite_yx.any():
        unknown_yx = np.full(plane_yx.shape, np.nan, dtype=np.float32)
        return Estimate(unknown_yx) if noise_model is None else Estimate(unknown_yx, unknown_yx, unknown_yx)
    tile = (
        AdaptiveBatch("px of a tile's side", tile_px, _MIN_TILE_PX, device) if tile_px else _tile_on(device)
    )
    with torch.no_grad(), raising_out_of_memory(device, _told(plane_yx)):
        observation = float_tensor(plane_yx).to(device)
        likelihood_input = (
            observation if likelihood_yx is None else torch.tensor(likelihood_yx, device=device)
        )
        network_input = observation
        if not finite_yx.all():
            network_input = filled(observation[None], observation.isfinite()[None])[0]
        to_device(network.model, device)
        if noise_model is not None:
            noise_model = noise_model.to(device, torch.float32)
        average = partial(_average, network, noise_model, network_input, likelihood_input)
        which = symmetries if isinstance(symmetries, range) else range(symmetries or network.symmetries)
        large = observation.numel() >= _LARGE_PX
        if large:
            return_freed_memory(device)
        averages = tile.run(partial(average, which)).cpu()
    if large:
        return_freed_memory(device)
    if noise_model is None:
        return Estimate(averages[0].numpy())
    mmse, prior_mean, variance = averages
    return Estimate(prior_mean.numpy(), mmse.numpy(), variance.sqrt().numpy())


def _told(plane_yx: np.ndarray) -> str:
    height_px, width_px = plane_yx.shape
    return f"a plane of {width_px} x {height_px} pixels and the network"


@cache
def _tile_on(device: torch.device) -> AdaptiveBatch:
    """Return the tile size shared within the process, which shrinks for good after running out of memory."""
    return AdaptiveBatch("px of a tile's side", execution_on(device).tile_px, _MIN_TILE_PX, device)


def _average(
    network: Network,
    noise_model: NoiseModel | None,
    network_input: Tensor,
    likelihood_input: Tensor,
    symmetries: range,
    tile_px: int,
) -> Tensor:
    """Return moments (rows, H, W) of one plane, averaged over symmetries of the square."""
    pixels = len(symmetries) * network_input.numel()
    moments = _moments(network, noise_model, pixels=pixels, max_px=tile_px**2)
    device = network_input.device
    network = replace(network, model=_in_reduced_precision(network.model, device))
    if network.frames is not None:
        network = replace(network, frames=network.frames.to(device))
    predict = partial(_predict, network, network_input, likelihood_input, moments=moments, tile_px=tile_px)
    turns, turns_mirrored = (
        [symmetry % QUARTER_TURNS for symmetry in symmetries if (symmetry >= QUARTER_TURNS) is mirrored]
        for mirrored in (False, True)
    )
    total = predict(turns=turns, mirrored=False)
    if turns_mirrored:
        total += predict(turns=turns_mirrored, mirrored=True)
    return total.div_(len(symmetries))


def predicts_in_bfloat16(model: Model, device: torch.device) -> bool:
    """Return whether a network predicts with bfloat16 convolutions: if that hardly changes estimates."""
    return isinstance(model, UNet) and may_be_rounded(model.shape) and has_bfloat16(device)


def _in_reduced_precision(model: Model, device: torch.device) -> Model:
    if isinstance(model, UNet) and predicts_in_bfloat16(model, device):
        return to_device(rounded(model), device)
    return model


def _predict(
    network: Network,
    network_input: Tensor,
    likelihood_input: Tensor,
    *,
    turns: Sequence[int],
    mirrored: bool,
    moments: _Moments,
    tile_px: int,
) -> Tensor:
    """Return moments (rows, H, W) of one plane, summed over quarter turns of it, or of its mirror image.

    What a tile needs is made of its pixels alone: of the whole plane there are the input and the result.
    """
    shape, device = network.model.shape, network_input.device
    height, width = likelihood_input.shape
    rows, columns = (padded_index(length, shape.stride_px, device) for length in (height, width))
    result = likelihood_input.new_zeros((moments.rows, height, width))
    for tile in tiles((height, width), tile_px=tile_px, overlap_px=shape.reach_px, stride_px=shape.stride_px):
        place, tile_columns = tile.core, columns[tile.outer[1]]
        if mirrored:
            place = (place[0], slice(width - place[1].stop, width - place[1].start))
            tile_columns = width - 1 - tile_columns
        image = network.input_of(network_input, rows[tile.outer[0]], tile_columns)[None]
        core = likelihood_input[place]
        observations = torch.split((core.flip(1) if mirrored else core).flatten(), moments.block_px)
        for groups in network.model.turned_features(image, tile.inner, turns):
            features = zip(
                *(torch.split(_per_pixel(group), moments.block_px) for group in groups), strict=True
            )
            blocks = zip(map(_joined, features), observations, strict=True)
            tile_moments = torch.cat([moments.of_block(*block) for block in blocks], dim=1)
            tile_moments = tile_moments.view(moments.rows, *core.shape)
            result[(slice(None), *place)] += tile_moments.flip(2) if mirrored else tile_moments
    return result


def _per_pixel(features: Tensor) -> Tensor:
    """Return the features (1, F, H, W) of pixels in rows (H * W, F)."""
    return features[0].permute(1, 2, 0).reshape(-1, features.shape[1])


def _joined(groups: Sequence[Tensor]) -> Tensor:
    """Join the groups of features of a block, in float32: the last layer computes grey values."""
    groups = [group.float() for group in groups]
    return torch.cat(groups, dim=1) if len(groups) > 1 else groups[0]


def _moments(network: Network, noise_model: NoiseModel | None, *, pixels: int, max_px: int) -> _Moments:
    weight, bias = network.output_layer_adu()
    curve = network.output_scale.curve
    samples = samples_per_pixel(bias, network.prior)
    block_px = min(execution_on(weight.device).block_px(samples), max_px)
    if noise_model is not None:
        moments = moments_of_block(
            weight,
            bias,
            noise_model,
            curve=curve,
            prior=network.prior,
            pixels=pixels,
            block_px=block_px,
        )
        return _Moments(moments, _POSTERIOR_MOMENTS, block_px)
    if network.prior == "samples" and curve is None:
        # The mean over outputs is linear: average the layer's weights instead of its outputs.
        weight, bias = weight.mean(dim=0, keepdim=True), bias.mean(dim=0, keepdim=True)

    def prior_mean_only(features: Tensor, observation: Tensor) -> Tensor:
        del observation
        outputs = bent_outputs(functional.linear(features, weight, bias), curve, network.prior)
        return mean_of(outputs, network.prior)[None]

    return _Moments(prior_mean_only, 1, block_px)
