"""Images in a store, and the tiles that are drawn of them."""

import io
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from tests.support.posted_jobs import upload


def store(api: httpx.Client, folder: Path, pixels: NDArray[Any], **options: Any) -> str:
    path = folder / "cells.tif"
    tifffile.imwrite(path, pixels, **({"photometric": "minisblack"} | options))
    return f"/v1/images/{upload(api, path)}/planes"


def picture(answer: httpx.Response) -> NDArray[np.uint8]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def tile(
    api: httpx.Client, planes: str, plane: int = 0, at: str = "0/0_0", **query: Any
) -> NDArray[np.uint8]:
    return picture(api.get(f"{planes}/{plane}/tiles/{at}.png", params=query))


def drawn(values_yx: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    shades_yx = (values_yx.astype(float) - low) / (high - low) * 255
    return np.rint(np.clip(shades_yx, 0, 255)).astype(np.uint8)
