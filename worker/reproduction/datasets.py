"""Datasets for training and scoring the methods, independent of their source."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Region = tuple[slice, slice]
Places = tuple[tuple[int, Region], ...]
"""Indices of fields of view, with a region of each."""

WHOLE: Region = (slice(None), slice(None))


_SCORED_SHARE_OF_FIELDS = 0.25
_MIN_FIELDS = 4


@dataclass(frozen=True, eq=False)
class FieldOfView:
    """Noisy frames (Y, X) of one field of view, and its ground truth (Y, X), possibly on another scale."""

    frames: tuple[NDArray[Any], ...]
    truth_yx: NDArray[Any]


@dataclass(frozen=True, eq=False)
class ScoredImage:
    """A noisy image and its ground truth, (Y, X)."""

    noisy_yx: NDArray[np.float32]
    truth_yx: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images of one camera setting, split as in the published examples.

    N2V and PN2V train on all noisy images, CARE on pairs from regions that are not scored.
    """

    name: str
    fields: tuple[FieldOfView, ...]
    supervised: Places
    """Regions that CARE trains on."""
    scored: Places
    """Regions that all methods are scored on."""
    calibration: Sequence[NDArray[Any]] = ()
    """Frames of a static scene."""
    without_calibration: str = "no calibration was given"
    """Reason why there is no calibration."""
    paper_column: str | None = None
    """Column of the paper for this specimen, or for one of the same kind."""
    other_scale: bool = False
    """Whether the ground truth has another intensity scale; scores are then computed after an affine fit."""
    by_default: bool = True
    """Whether the dataset is used if none is requested by name."""
    notes: tuple[str, ...] = ()
    """Description of how the data were prepared, in sentences."""

    @cached_property
    def fingerprint(self) -> str:
        """Digest of all pixels and of the split."""
        digest = hashlib.sha256(repr((self.supervised, self.scored)).encode())
        for image in (
            *self.calibration,
            *(image for each in self.fields for image in (*each.frames, each.truth_yx)),
        ):
            digest.update(np.ascontiguousarray(image).data)
        return digest.hexdigest()

    def noisy_planes(self) -> "ArrayPlanes":
        """Return all noisy planes, the training data of unsupervised methods."""
        return ArrayPlanes([frame for each in self.fields for frame in each.frames])

    def pairs(self) -> tuple["ArrayPlanes", "ArrayPlanes"]:
        """Return the training pairs of CARE: noisy planes, and the truth of each on its scale."""
        noisy, truths = [], []
        for index, region in self.supervised:
            for frame in self.fields[index].frames:
                part = frame[region]
                truth = self.fields[index].truth_yx[region].astype(np.float64)
                noisy.append(part)
                truths.append(_on_scale_of(truth, part) if self.other_scale else truth)
        return ArrayPlanes(noisy), ArrayPlanes(truths)

    def scored_images(self, limit: int) -> list[ScoredImage]:
        """Return at most `limit` images to score, evenly spaced over fields and frames."""
        places = [
            (index, region, frame)
            for index, region in self.scored
            for frame in range(len(self.fields[index].frames))
        ]
        chosen = np.unique(np.linspace(0, len(places) - 1, min(limit, len(places))).round().astype(int))
        images = []
        for index, region, frame in (places[place] for place in chosen):
            noisy = self.fields[index].frames[frame][region].astype(np.float32)
            images.append(ScoredImage(noisy, self.fields[index].truth_yx[region].astype(np.float64)))
        return images


class ArrayPlanes:
    """PlaneSequence of arrays of any type, converted to float32 one at a time."""

    def __init__(self, planes: Sequence[NDArray[Any]]) -> None:
        self._planes = planes

    def __len__(self) -> int:
        return len(self._planes)

    def __getitem__(self, index: int, /) -> NDArray[np.float32]:
        return self._planes[index].astype(np.float32)


def divide(shapes_yx: Sequence[tuple[int, ...]]) -> tuple[Places, Places, str]:
    """Return the supervised and the scored regions of fields of these shapes, and a description of the split.

    Of four fields or more the first quarter is scored; of fewer, the upper left quarter of each, as with the
    published Convallaria images.
    """
    number = len(shapes_yx)
    if number >= _MIN_FIELDS:
        scored = max(1, round(_SCORED_SHARE_OF_FIELDS * number))
        places = tuple((index, WHOLE) for index in range(number))
        how = f"scored on {scored} of {number} fields, CARE trained on the others"
        return places[scored:], places[:scored], how
    quarters = [_quarters(shape_yx) for shape_yx in shapes_yx]
    scored_quarters = tuple((index, first) for index, (first, *_) in enumerate(quarters))
    supervised = tuple((index, region) for index, (_, *others) in enumerate(quarters) for region in others)
    return supervised, scored_quarters, "scored on one quarter of each field, CARE trained on the others"


def _quarters(shape_yx: tuple[int, ...]) -> list[Region]:
    middle_y, middle_x = (size // 2 for size in shape_yx)
    return [
        (y, x)
        for y in (slice(middle_y), slice(middle_y, None))
        for x in (slice(middle_x), slice(middle_x, None))
    ]


def _on_scale_of(truth: NDArray[np.float64], noisy: NDArray[Any]) -> NDArray[np.float64]:
    """Scale the truth to the noisy image by an affine least-squares fit."""
    centred = truth - truth.mean()
    scale = float(np.vdot(centred, noisy.astype(np.float64))) / max(float(np.vdot(centred, centred)), 1e-12)
    return np.asarray(scale * centred + float(noisy.mean(dtype=np.float64)))
