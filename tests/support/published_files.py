"""Noise model files in the format of the published code."""

import io
from typing import Any

import httpx
import numpy as np


def npz(**changes: Any) -> bytes:
    """Return a noise model file of one Gaussian and two coefficients."""
    arrays: dict[str, Any] = {
        "trained_weight": np.array([[0.0, 0.0], [3.0, 5.0], [0.0, 0.0]], np.float32),
        "min_signal": np.array([100.0]),
        "max_signal": np.array([4000.0]),
        "min_sigma": np.array(4.0),
    }
    file = io.BytesIO()
    np.savez(file, **{name: value for name, value in (arrays | changes).items() if value is not None})
    return file.getvalue()


def histogram_npy(bins: int = 6) -> bytes:
    """A histogram file as the published code writes it, in which each signal is observed as itself."""
    edges = np.linspace(0, 60, bins + 1)
    lower, upper = (np.broadcast_to(of[:, None], (bins, bins)) for of in (edges[:-1], edges[1:]))
    buffer = io.BytesIO()
    np.save(buffer, np.stack([np.eye(bins), lower, upper]))
    return buffer.getvalue()


def import_model(api: httpx.Client, **query: str) -> dict[str, Any]:
    response = api.post("/v1/noise-models/import", params=query, content=npz())
    assert response.status_code == 201, response.text
    document: dict[str, Any] = response.json()
    return document
