"""Image files as the engine sees them."""

from collections.abc import Sequence

import numpy as np

from models_store.image_files.tiff.reader import PlaneReader


class FloatPlanes:
    """All planes of some images, one after the other, as float32 ADU: the engine's PlaneSequence."""

    def __init__(self, readers: Sequence[PlaneReader]) -> None:
        self._places = [(reader, plane) for reader in readers for plane in range(len(reader))]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int, /) -> np.ndarray:
        reader, plane = self._places[index]
        return reader[plane].astype(np.float32)


class GroundTruthPlanes(FloatPlanes):
    """For every plane of some images that of its ground truth, whose only one holds for all."""

    def __init__(self, truths: Sequence[PlaneReader], readers: Sequence[PlaneReader]) -> None:
        self._places = [
            (truth, plane % len(truth))
            for truth, reader in zip(truths, readers, strict=True)
            for plane in range(len(reader))
        ]
