"""Rules for pairs of images that are compared pixel by pixel: noisy images or results, and ground truth."""

from collections.abc import Sequence

from models_store.contracts.vocabulary import ImageRole
from models_store.database.tables import Image
from models_store.errors import InvalidRequestError
from models_store.image_files.header import ImageHeader


def require_training_pairs(images: Sequence[Image], ground_truth: Sequence[Image]) -> None:
    """Raise InvalidRequestError unless each image has ground truth of its size, in the same order."""
    require_role(images, ImageRole.DATA, "image_ids")
    require_role(ground_truth, ImageRole.GROUND_TRUTH, "ground_truth_ids")
    if len(images) != len(ground_truth):
        raise InvalidRequestError(
            f"ground_truth_ids: {len(ground_truth)} for {len(images)} images; name one for each image"
        )
    for image, truth in zip(images, ground_truth, strict=True):
        headers = ImageHeader.model_validate(image.header), ImageHeader.model_validate(truth.header)
        require_same_planes(describe_image(image), headers[0], describe_image(truth), headers[1])


def require_role(images: Sequence[Image], role: ImageRole, field: str) -> None:
    if wrong := [image for image in images if image.role is not role]:
        raise InvalidRequestError(
            f"{field}: {describe_image(wrong[0])} has the role {wrong[0].role}; name images that were "
            f"uploaded with role={role}"
        )


def require_same_planes(name: str, header: ImageHeader, truth_name: str, truth: ImageHeader) -> None:
    """Raise InvalidRequestError unless the planes match; ground truth of one plane applies to all planes."""
    size_px, expected_px = [f"{each.width_px} x {each.height_px}" for each in (header, truth)]
    if size_px != expected_px:
        raise InvalidRequestError(
            f"{name} has planes of {size_px} pixels and its ground truth, {truth_name}, of {expected_px}; "
            "they must show the same field of view"
        )
    if truth.planes not in {1, header.planes}:
        raise InvalidRequestError(
            f"{name} has {header.planes} planes and its ground truth, {truth_name}, has {truth.planes}; "
            "it must have as many, or a single one that applies to all"
        )


def describe_image(image: Image) -> str:
    series = "" if image.series is None else f", series {image.series}"
    return f"image {image.id} ({image.filename}{series})"
