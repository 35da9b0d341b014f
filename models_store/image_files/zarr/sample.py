"""A small OME-Zarr, for processes that read one before they are locked down."""

import io
import json
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray


def zarr_sample(planes_zyx: NDArray[np.uint16]) -> bytes:
    """Return an OME-Zarr 0.5 in a compressed ZIP archive, with one chunk."""
    multiscale = {
        "axes": [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"],
        "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1.0] * 3}]}],
    }
    group = {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": {"ome": {"version": "0.5", "multiscales": [multiscale]}},
    }
    array = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": planes_zyx.shape,
        "data_type": "uint16",
        "chunk_grid": _named("regular", chunk_shape=planes_zyx.shape),
        "chunk_key_encoding": _named("default", separator="/"),
        "fill_value": 0,
        "codecs": [_named("bytes", endian="little"), _named("numcodecs.zlib")],
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zarr.json", json.dumps(group))
        archive.writestr("0/zarr.json", json.dumps(array))
        archive.writestr("0/c/0/0/0", zlib.compress(planes_zyx.astype("<u2").tobytes()))
    return content.getvalue()


def _named(name: str, **configuration: Any) -> dict[str, Any]:  # noqa: ANN401  # JSON
    return {"name": name, "configuration": configuration}
