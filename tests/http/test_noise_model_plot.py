"""Plot of a noise model: distribution of observations around the signal."""

import io
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.support.published_files import npz

# Inside the axes.
PANEL = (70, 30, 470, 430)


def picture(api: httpx.Client, content: bytes) -> np.ndarray:
    noise_model = api.post("/v1/noise-models/import", content=content).json()
    response = api.get(f"/v1/noise-models/{noise_model['id']}/plot.png")
    assert (response.status_code, response.headers["content-type"]) == (200, "image/png")
    with Image.open(io.BytesIO(response.content)) as image:
        return np.asarray(image.crop(PANEL), dtype=np.float64)


def spread_px(panel_yx: np.ndarray, columns: slice) -> float:
    """Return the standard deviation of the darkness around the signal, which is the middle row."""
    dark = 255 - panel_yx[:, columns].mean(axis=1)
    row = np.arange(len(dark)) - (len(dark) - 1) / 2
    assert abs(float(dark @ row / dark.sum())) < 10
    return float(np.sqrt(dark @ row**2 / dark.sum()))


@pytest.mark.parametrize("name", ["ppn2v_gmm_K3_n2.npz", "ppn2v_histogram_256.npy"])
def test_the_spread_of_the_observations_grows_with_the_signal(
    api: httpx.Client, golden: Path, name: str
) -> None:
    panel_yx = picture(api, (golden / name).read_bytes())
    assert spread_px(panel_yx, slice(150, 200)) > 1.5 * spread_px(panel_yx, slice(5, 30))


def test_signals_without_counts_in_a_published_histogram_stay_white(api: httpx.Client, golden: Path) -> None:
    panel_yx = picture(api, (golden / "ppn2v_histogram_256.npy").read_bytes())
    assert panel_yx[:190, -3:].min() == 255


def test_a_model_with_extreme_coefficients_has_a_plot_too(api: httpx.Client) -> None:
    wild = np.array([[1e30, -1e30], [800.0, 900.0], [1e30, 0.0]], np.float32)
    assert picture(api, npz(trained_weight=wild)).shape == (400, 400)


def test_the_plot_of_a_missing_model_is_not_found(api: httpx.Client) -> None:
    assert api.get("/v1/noise-models/nm_none/plot.png").status_code == 404
