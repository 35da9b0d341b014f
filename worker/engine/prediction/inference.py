"""Tiled prediction of whole planes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from worker.engine.devices.execution import execution_on
from worker.engine.devices.memory import AdaptiveBatch, raising_out_of_memory
from worker.engine.networks.architecture import to_device
from worker.engine.networks.network import Network
from worker.engine.networks.prior import bent_outputs, mean_of
from worker.engine.noise.models.likelihood import NoiseModel
from worker.engine.planes.filling import filled
from worker.engine.planes.symmetries import QUARTER_TURNS
from worker.engine.planes.tiling import pad_to_stride, tiles
from worker.engine.prediction.posterior import MomentsOfBlock, moments_of_block, samples_per_pixel

_MIN_TILE_PX = 64


@dataclass(frozen=True, eq=False)
class Estimate:
    """A network's estimates of one plane, float32 (Y, X) in ADU.

    Without a noise model there is a prior mean only; that of an N2V network is its denoised image.
    """

    prior_mean_yx: np.ndarray
    mmse_yx: np.ndarray | None = None
    posterior_std_yx: np.ndarray | None = None


def predict_plane(
    network: Network,
    plane_yx: np.ndarray,
    *,
    noise_model: NoiseModel | None = None,
    device: torch.device,
    tile_px: int | None = None,
    symmetries: int | None = None,
    likelihood_yx: np.ndarray | None = None,
) -> Estimate:
    """Denoise one plane (Y, X) of any size, ADU; the result does not depend on `tile_px`.

    Predictions are averaged over `symmetries` of the square, by default the number in the network's preset.
    Pixels that are not finite are predicted from their neighbourhood; a plane without finite pixels stays
    NaN. `likelihood_yx` are the observations for the likelihood if they differ from the network's input.
    Raises OutOfMemoryError if even the smallest tiles do not fit.
    """
    finite_yx = np.isfinite(plane_yx)
    if not finite_yx.any():
        unknown_yx = np.full(plane_yx.shape, np.nan, dtype=np.float32)
        return Estimate(unknown_yx) if noise_model is None else Estimate(unknown_yx, unknown_yx, unknown_yx)
    tile = (
        AdaptiveBatch("px of a tile's side", tile_px, _MIN_TILE_PX, device) if tile_px else _tile_on(device)
    )
    with torch.no_grad(), raising_out_of_memory(device, "the plane and the network"):
        observation = torch.tensor(np.asarray(plane_yx, dtype=np.float32), device=device)
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
        mmse, prior_mean, variance = tile.run(partial(average, symmetries or network.symmetries)).cpu()
    if noise_model is None:
        return Estimate(prior_mean.numpy())
    return Estimate(prior_mean.numpy(), mmse.numpy(), variance.sqrt().numpy())


@cache
def _tile_on(device: torch.device) -> AdaptiveBatch:
    """Return the tile size shared within the process, which shrinks for good after running out of memory."""
    return AdaptiveBatch("px of a tile's side", execution_on(device).tile_px, _MIN_TILE_PX, device)


def _average(
    network: Network,
    noise_model: NoiseModel | None,
    network_input: Tensor,
    likelihood_input: Tensor,
    symmetries: int,
    tile_px: int,
) -> Tensor:
    """Return posterior moments (3, H, W) of one plane, averaged over symmetries of the square."""
    pixels = symmetries * network_input.numel()
    moments, block_px = _pixel_moments(network, noise_model, pixels=pixels, max_px=tile_px**2)
    total = network_input.new_zeros((3, *network_input.shape))
    predict = partial(_predict, network, moments=moments, tile_px=tile_px, block_px=block_px)
    image = network.input_of(network_input)
    total += predict(image, likelihood_input, turns=range(min(symmetries, QUARTER_TURNS)))
    if symmetries > QUARTER_TURNS:
        mirrored = predict(image.flip(2), likelihood_input.flip(1), turns=range(symmetries - QUARTER_TURNS))
        total += mirrored.flip(2)
    return total / symmetries


def _predict(
    network: Network,
    image: Tensor,
    likelihood_input: Tensor,
    *,
    turns: Sequence[int],
    moments: MomentsOfBlock,
    tile_px: int,
    block_px: int,
) -> Tensor:
    """Return posterior moments (3, H, W) of one plane, summed over quarter turns of the input (T, H, W)."""
    shape = network.model.shape
    height, width = likelihood_input.shape
    image = pad_to_stride(image, shape.stride_px)
    result = likelihood_input.new_zeros((3, height, width))
    for tile in tiles((height, width), tile_px=tile_px, overlap_px=shape.reach_px, stride_px=shape.stride_px):
        core = likelihood_input[tile.core]
        for features in network.model.turned_features(
            image[(None, slice(None), *tile.outer)], tile.inner, turns
        ):
            per_pixel = features[0].permute(1, 2, 0).reshape(-1, shape.head_features)
            blocks = zip(
                torch.split(per_pixel, block_px),
                torch.split(core.flatten(), block_px),
                strict=True,
            )
            tile_moments = torch.cat([moments(*block) for block in blocks], dim=1)
            result[(slice(None), *tile.core)] += tile_moments.view(3, *core.shape)
    return result


def _pixel_moments(
    network: Network, noise_model: NoiseModel | None, *, pixels: int, max_px: int
) -> tuple[MomentsOfBlock, int]:
    """Return the function that computes the moments of a block, and the block size, at most `max_px`."""
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
        return moments, block_px
    if network.prior == "samples" and curve is None:
        # The mean over outputs is linear: average the layer's weights instead of its outputs.
        weight, bias = weight.mean(dim=0, keepdim=True), bias.mean(dim=0, keepdim=True)

    def prior_mean_only(features: Tensor, observation: Tensor) -> Tensor:
        del observation
        outputs = bent_outputs(functional.linear(features, weight, bias), curve, network.prior)
        prior_mean = mean_of(outputs, network.prior)
        return torch.stack([prior_mean, prior_mean, torch.zeros_like(prior_mean)])

    return prior_mean_only, block_px
