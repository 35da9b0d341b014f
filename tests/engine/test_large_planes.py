"""Large planes are denoised strip by strip and tile by tile: bit by bit as undivided ones, in less memory."""

import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from tests.support.peak_memory import peak_mb
from tests.support.textures import observe, texture
from tests.support.tiny_training import CPU
from worker.engine.networks.network import Network
from worker.engine.networks.pretrained import packaged_network
from worker.engine.networks.scale import Scale
from worker.engine.networks.unet import UNet, UNetShape
from worker.engine.planes import strips
from worker.engine.planes.filling import filled
from worker.engine.prediction.faint_detail import without_invented_detail
from worker.engine.stages.noise_tails import bounded_noise
from worker.engine.stages.pretrained import estimate_alone, network_for

SCALE = Scale(origin_adu=90.0, unit_adu=3.0, gain_adu=2.0)


@pytest.fixture
def plane_yx() -> np.ndarray:
    plane_yx = observe(texture(60, 3.0, 1, 610), 1).astype(np.float32)[:, :403]
    plane_yx[np.random.default_rng(0).random(plane_yx.shape) < 0.02] = np.nan
    plane_yx[:45] = plane_yx[300:340, 200:] = np.nan
    return plane_yx


def noise_adu(signal_yx: np.ndarray) -> np.ndarray:
    return SCALE.noise_adu(torch.from_numpy(signal_yx)).numpy()


def test_strips_make_up_a_plane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "STRIP_PX", 4000)
    for shape_yx in ((1001, 300), (1, 9000), (9000, 1)):
        found = [*strips.strips(shape_yx, multiple=2)]
        assert [row for rows in found for row in range(rows.start, rows.stop)] == [*range(shape_yx[0])]
        assert all(rows.start % 2 == 0 for rows in found)
    assert [*strips.strips((4, 100), pixels_each=20)] == [slice(0, 2), slice(2, 4)]


@pytest.mark.parametrize("columns", [403, 1])
def test_strips_give_the_values_of_the_whole_plane(
    monkeypatch: pytest.MonkeyPatch, plane_yx: np.ndarray, columns: int
) -> None:
    plane_yx = plane_yx[:, :columns].copy()
    smooth_yx = filled(torch.from_numpy(plane_yx)[None], torch.from_numpy(np.isfinite(plane_yx))[None])[
        0
    ].numpy()
    plane_yx[100:110] += np.float32(-60)

    def results() -> list[np.ndarray]:
        plane = torch.from_numpy(plane_yx)
        return [
            filled(plane[None], plane.isfinite()[None]).numpy(),
            bounded_noise(plane_yx, smooth_yx, noise_adu),
            without_invented_detail(smooth_yx, SCALE),
        ]

    whole, scale = results(), network_for(packaged_network(), None, plane_yx).scale
    assert np.isfinite(whole[0]).all()
    assert (whole[1] != plane_yx)[np.isfinite(plane_yx)].any()
    monkeypatch.setattr(strips, "STRIP_PX", 5000)
    for found, expected in zip(results(), whole, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert network_for(packaged_network(), None, plane_yx).scale == scale


def denoise(source: Path, target: Path) -> None:
    """Estimate the signal of the plane of a file with a small network, which takes little time."""
    model = UNet(UNetShape(features=2, depth=1, outputs=1)).initialise(torch.Generator().manual_seed(0))
    network = Network(model.requires_grad_(requires_grad=False), "pretrained", "", 0, 0, SCALE, symmetries=5)
    plane_yx = tifffile.imread(source)[0].astype(np.float32)
    plane_yx[::97, ::89] = np.nan
    estimate_alone(network, plane_yx, device=CPU)
    target.touch()


@pytest.mark.skipif(sys.platform != "linux", reason="reads peak memory from /proc")
def test_an_estimate_takes_little_memory_for_each_pixel(tmp_path: Path) -> None:
    sides_px = (1100, 1700)
    small_mb, large_mb = (peak_mb(denoise, tmp_path, (1, side_px, side_px)) for side_px in sides_px)
    more_px = sides_px[1] ** 2 - sides_px[0] ** 2
    assert 2**20 * (large_mb - small_mb) / more_px < 45  # before strips and tiles, 52 to 56
