"""Simulated movies of a specimen and a camera; frames denoised alone or with neighbours."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from tests.support.tiny_training import CPU
from worker.engine.networks.network import Network
from worker.engine.networks.pretrained import packaged_network, packaged_stack_network
from worker.engine.planes.neighbours import Neighbours
from worker.engine.prediction.inference import predict_plane
from worker.engine.simulation import Scmos, simulate_specimen
from worker.engine.stages.pretrained import network_for
from worker.engine.stages.stacks import beside

SIDE_PX, FRAMES, MIDDLE = 112, 9, 4
PHOTONS, GAIN, OFFSET_ADU, READ_NOISE_ADU = 30.0, 2.2, 100.0, 3.0
REACH = packaged_stack_network().reach


@cache
def light(step_px: float = 0.3) -> np.ndarray:
    """Return the light (T, Y, X) of a specimen that moves by a part of a pixel per frame."""
    specimen = simulate_specimen((2 * SIDE_PX, 2 * SIDE_PX), seed=4)
    shifts = [(step_px * (frame - MIDDLE), 0.6 * step_px * (frame - MIDDLE)) for frame in range(FRAMES)]
    part = slice(SIDE_PX // 2, SIDE_PX // 2 + SIDE_PX)
    return np.stack([ndimage.shift(specimen, shift, order=3)[part, part] for shift in shifts]).clip(0)


def recorded(light_tyx: np.ndarray, seed: int = 0) -> np.ndarray:
    camera = Scmos.with_maps(
        light_tyx.shape[1:],
        seed=1,
        gain_adu_per_e=GAIN,
        offset_adu=OFFSET_ADU,
        read_noise_adu=READ_NOISE_ADU,
    )
    frames = [
        # A generator for each frame: the light of one does not change the noise of others.
        camera.observe(PHOTONS * light_yx, np.random.default_rng([seed, frame]))
        for frame, light_yx in enumerate(light_tyx)
    ]
    return np.stack(frames).astype(np.float32)


def signal(light_yx: np.ndarray) -> np.ndarray:
    return GAIN * PHOTONS * light_yx + OFFSET_ADU


@dataclass(frozen=True)
class CameraNoise:
    """Noise model of the camera, as far as the choice of the estimate needs it: its variance."""

    def variance_adu2(self, signal: Tensor) -> Tensor:
        return READ_NOISE_ADU**2 + GAIN * (signal - OFFSET_ADU).clamp_min(0)

    def log_likelihood(self, observation: Tensor, signal: Tensor) -> Tensor:
        variance = self.variance_adu2(signal)
        return -0.5 * ((observation - signal).square() / variance + variance.log())

    def sample(self, signal: Tensor, generator: torch.Generator) -> Tensor:
        return torch.normal(signal, self.variance_adu2(signal).sqrt(), generator=generator)

    def to(self, _device: torch.device, _dtype: torch.dtype) -> Self:
        return self


class Movie:
    """Frames as a stack."""

    def __init__(self, frames_tyx: np.ndarray) -> None:
        self._frames_tyx = frames_tyx

    def __len__(self) -> int:
        return len(self._frames_tyx)

    def __getitem__(self, index: int) -> np.ndarray:
        return np.asarray(self._frames_tyx[index])

    def neighbours(self, index: int, reach: int) -> Neighbours:
        return {offset: self[place] for offset, place in self.places_beside(index, reach).items()}

    def places_beside(self, index: int, reach: int) -> Mapping[int, int]:
        offsets = [offset for offset in range(-reach, reach + 1) if offset]
        return {offset: index + offset for offset in offsets if 0 <= index + offset < len(self)}


def single_network(frame_yx: np.ndarray) -> Network:
    """Return the packaged network on the scale of a frame."""
    return network_for(packaged_network(), None, frame_yx)


def alone(frame_yx: np.ndarray) -> np.ndarray:
    return predict_plane(single_network(frame_yx), frame_yx, device=CPU).prior_mean_yx


def with_neighbours(frame_yx: np.ndarray, neighbours: Neighbours) -> np.ndarray:
    network = beside(packaged_stack_network(), single_network(frame_yx), frame_yx, neighbours)
    return predict_plane(network, frame_yx, device=CPU).prior_mean_yx
