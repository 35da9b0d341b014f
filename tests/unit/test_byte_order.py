"""Images whose bytes are swapped are told; others, shifted and scaled ones among them, are not."""

import numpy as np
import pytest

from models_store.survey.byte_order import are_swapped
from models_store.survey.survey import survey_planes
from models_store.survey.warnings import pixel_warnings
from tests.support.dim_images import dim_image


@pytest.mark.parametrize("factor", [2, 4, 12])
def test_swapped_bytes_are_told(factor: int) -> None:
    plane_yx = (dim_image() * factor).astype(np.uint16).byteswap()
    assert any(
        "bytes of each pixel look swapped" in told for told in pixel_warnings(survey_planes([plane_yx]))
    )
    assert are_swapped(plane_yx.view(np.int16))


@pytest.mark.parametrize(
    "plane_yx",
    [
        pytest.param(dim_image(), id="as recorded"),
        pytest.param(dim_image() << 4, id="shifted to the left"),
        pytest.param((dim_image() // 2) << 8, id="8 bits in the upper byte"),
        pytest.param((dim_image() // 2) * 257, id="8 bits stretched"),
        pytest.param(dim_image().astype(np.float32), id="float"),
        pytest.param(dim_image().astype(np.int32) * 256 + 1, id="32 bits"),
    ],
)
def test_other_images_have_their_bytes_in_order(plane_yx: np.ndarray) -> None:
    assert not are_swapped(plane_yx)
