"""Which images are calibrations: several frames of one scene."""

from collections.abc import Mapping, Sequence

from models_store.contracts.vocabulary import ImageRole
from models_store.database.tables import Image
from models_store.errors import InvalidRequestError
from models_store.image_files.header import ImageHeader
from models_store.job_requests.pair_rules import called, require_role


def require_calibration(images: Sequence[Image]) -> None:
    """Raise unless these were uploaded as calibrations and are scenes."""
    require_role(images, ImageRole.CALIBRATION, "image_ids")
    require_scenes({called(image): ImageHeader.model_validate(image.header) for image in images})


def require_scenes(headers: Mapping[str, ImageHeader]) -> None:
    """Raise unless these are stacks, each of one scene, or single frames that may be of one scene."""
    for name, header in headers.items():
        _require_one_axis(name, header)
    single = {name: header for name, header in headers.items() if header.planes == 1}
    if len(single) == 1:
        raise InvalidRequestError(
            f"{next(iter(single))} is a single frame; a calibration takes at least 2 frames of one scene, "
            "better 20, as a stack or as images of their own"
        )
    formats = {
        f"{header.width_px} x {header.height_px} {header.dtype}": name for name, header in single.items()
    }
    if len(formats) > 1:
        raise InvalidRequestError(
            f"single frames of {' and '.join(formats)} pixels ({', '.join(formats.values())}) cannot show "
            "one scene; give each scene as a stack"
        )


def _require_one_axis(name: str, header: ImageHeader) -> None:
    along = header.axes.removesuffix("YX")
    if len(along) > 1 or "C" in along:
        raise InvalidRequestError(
            f"{name} has the axes {header.axes}; the frames of a scene lie along one axis, so give each "
            "channel, position and focus as a stack of its own"
        )
