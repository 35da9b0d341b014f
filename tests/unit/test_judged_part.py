"""The part of a plane on which the risk of a sole estimate is judged."""

import numpy as np
import pytest

from tests.support.movies import CameraNoise, single_network
from tests.support.tiny_training import CPU
from worker.engine.networks.network import Network
from worker.engine.prediction.choice import choose_estimate

SIDE_PX = 288


@pytest.mark.parametrize(
    ("missing", "judged_px"),
    [((144, 144), 256), ((slice(100, 180), slice(50, 250)), SIDE_PX)],
    ids=["a defective pixel", "an empty middle"],
)
def test_a_sole_estimate_is_judged_in_the_middle_if_pixels_are_known_there(
    missing: tuple[int | slice, int | slice], judged_px: int
) -> None:
    plane_yx = np.random.default_rng(0).poisson(50, (SIDE_PX, SIDE_PX)).astype(np.float32) + 100
    plane_yx[missing] = np.nan
    seen = []

    def network_for(part_yx: np.ndarray) -> Network:
        seen.append(part_yx.shape)
        return single_network(part_yx)

    choice = choose_estimate(
        [plane_yx],
        pretrained=network_for,
        noise_model=CameraNoise(),
        seed=0,
        device=CPU,
        on_plane=lambda *_: None,
    )
    assert set(seen) == {(judged_px, judged_px)}
    assert np.isfinite(choice.scores["pretrained"])
