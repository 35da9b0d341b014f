"""Files of networks, checked without the engine."""

import pytest
import torch

from models_store.network_files.unet_weights import weight_shapes
from worker.engine.networks.architecture import build_model
from worker.engine.networks.unet import UNetShape


@pytest.mark.parametrize(("features", "depth", "frames"), [(4, 1, 1), (8, 3, 1), (32, 4, 1), (8, 3, 7)])
def test_the_weights_of_a_network_are_known_without_building_it(
    features: int, depth: int, frames: int
) -> None:
    with torch.device("meta"):
        model = build_model(UNetShape(features, depth, outputs=1, global_skip=True, frames=frames))
    built = {name: tuple(values.shape) for name, values in model.state_dict().items()}
    assert weight_shapes(features, depth, frames) == built
