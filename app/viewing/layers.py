"""What is looked at: an uploaded image, a result, or the difference of both."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from sqlalchemy.orm import Session

from models_store.database.tables import Artifact, Image
from models_store.errors import ImageSeriesError, NotFoundError
from models_store.image_files.header import ImageHeader
from models_store.image_files.results.ome_zarr.layout import ZarrLayout
from models_store.repositories.images import get_image, series_of_uploads
from models_store.repositories.jobs.artifacts import get_artifact

_ZARR_MEDIA_TYPE = "application/zip"


class Layer(StrEnum):
    """What to look at of a result; `residual`: the image minus the result."""

    RESULT = "result"
    RESIDUAL = "residual"


@dataclass(frozen=True)
class StoredPlane:
    """A plane of a stored file, by what the file holds: equal files have equal planes."""

    sha256: str
    blob_key: str
    series: int | None
    plane: int

    @property
    def key(self) -> tuple[object, ...]:
        return self.sha256, self.series, self.plane


@dataclass(frozen=True)
class StoredImage:
    """An image in a stored file; a result has its planes in the order of the image that it was made of."""

    header: ImageHeader
    sha256: str
    blob_key: str
    series: int | None = None
    layout: ZarrLayout | None = None
    """Set for results that are OME-Zarr, whose planes may be in another order, or in several images."""
    is_result: bool = False
    """Its pixels may be 32-bit floats then, while the header is that of the image."""

    @property
    def pixel_bytes(self) -> int:
        """Upper bound of the bytes of a pixel in memory."""
        return max(np.dtype(self.header.dtype).itemsize, np.float32().itemsize if self.is_result else 1)

    def plane(self, number: int) -> StoredPlane:
        if self.layout is None:
            return StoredPlane(self.sha256, self.blob_key, self.series, number)
        image, place = self.layout.place(number)
        plane = 0
        for axis, index in zip(self.layout.axes, place, strict=False):
            plane = plane * self.layout.length(axis) + index
        return StoredPlane(self.sha256, self.blob_key, image if self.layout.images > 1 else None, plane)


@dataclass(frozen=True)
class View:
    """A layer to look at; `minus` is what is subtracted from the image, for a residual."""

    image: StoredImage
    minus: StoredImage | None = None

    @property
    def header(self) -> ImageHeader:
        return self.image.header

    @property
    def pixel_bytes(self) -> int:
        """Upper bound of the bytes of a pixel in memory; differences are floats that hold both exactly."""
        if self.minus is None:
            return self.image.pixel_bytes
        return np.result_type(self.header.dtype, np.float32).itemsize

    def key(self, plane: int) -> tuple[object, ...]:
        """Return what tells a plane of this layer from all others."""
        return self.image.plane(plane).key + (self.minus.plane(plane).key if self.minus else ())


def view_of_image(session: Session, image_id: str) -> View:
    """Find an image. Raises NotFoundError, and ImageSeriesError for an upload that holds several."""
    image = get_image(session, image_id)
    series = series_of_uploads(session, [image.id]).get(image.id, [])
    if series:
        raise ImageSeriesError(
            f"the upload {image.id} holds {len(series)} images; ask for one of them, such as "
            f"{series[0].image_id} (`series` of its document lists all)"
        )
    return View(_stored(image))


@dataclass(frozen=True)
class ResultAlone:
    """A result whose image has been deleted: what its planes are, only its file tells."""

    sha256: str
    blob_key: str

    def view(self, header: ImageHeader) -> View:
        return View(StoredImage(header, self.sha256, self.blob_key))


def view_of_result(session: Session, artifact_id: str, layer: Layer) -> View | ResultAlone:
    """Find a result, and the image that it was made of.

    Raises NotFoundError if there is none, for an artifact without planes, and if there is no image to
    subtract from.
    """
    artifact = get_artifact(session, artifact_id)
    if artifact.image_id is None or artifact.output is None:
        raise NotFoundError(
            f"{artifact.name} is no image; artifacts with an `output` (denoised, posterior_std) have planes"
        )
    image = session.get(Image, artifact.image_id)
    if image is None:
        if layer is Layer.RESIDUAL:
            raise NotFoundError(f"the image that {artifact.name} was made of has been deleted")
        return ResultAlone(artifact.sha256, artifact.blob_key)
    observation = _stored(image)
    result = _result(artifact, observation.header)
    return View(result) if layer is Layer.RESULT else View(observation, minus=result)


def _stored(image: Image) -> StoredImage:
    header = ImageHeader.model_validate(image.header)
    return StoredImage(header, image.sha256, image.blob_key, image.series)


def _result(artifact: Artifact, header: ImageHeader) -> StoredImage:
    layout = ZarrLayout.of(header) if artifact.media_type == _ZARR_MEDIA_TYPE else None
    return StoredImage(header, artifact.sha256, artifact.blob_key, layout=layout, is_result=True)
