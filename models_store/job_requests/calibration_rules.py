"""Rules for calibration images: several frames of each scene."""

from collections.abc import Mapping, Sequence

from models_store.contracts.vocabulary import ImageRole
from models_store.database.tables import Image
from models_store.errors import InvalidRequestError
from models_store.image_files.header import ImageHeader
from models_store.job_requests.pair_rules import describe_image, require_role


def require_calibration(images: Sequence[Image], field: str = "image_ids") -> None:
    """Raise InvalidRequestError unless the images have the role `calibration` and are scenes."""
    require_role(images, ImageRole.CALIBRATION, field)
    require_scenes({describe_image(image): ImageHeader.model_validate(image.header) for image in images})


def require_scenes(headers: Mapping[str, ImageHeader]) -> None:
    """Raise InvalidRequestError unless the images are stacks of one scene each, or frames of one scene."""
    for name, header in headers.items():
        _require_one_axis(name, header)
    single = {name: header for name, header in headers.items() if header.planes == 1}
    if len(single) == 1:
        raise InvalidRequestError(
            f"{next(iter(single))} is a single frame; a calibration needs at least 2 frames of one scene, "
            "preferably 20, as a stack or as separate images"
        )
    formats = {
        f"{header.width_px} x {header.height_px} {header.dtype}": name for name, header in single.items()
    }
    if len(formats) > 1:
        raise InvalidRequestError(
            f"single frames of {' and '.join(formats)} pixels ({', '.join(formats.values())}) cannot show "
            "the same scene; upload each scene as a stack"
        )


def _require_one_axis(name: str, header: ImageHeader) -> None:
    along = header.axes.removesuffix("YX")
    if len(along) > 1 or "C" in along:
        raise InvalidRequestError(
            f"{name} has the axes {header.axes}; the frames of a scene must lie along one axis, so upload "
            "each channel, position and focus as a separate stack"
        )
