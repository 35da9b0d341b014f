"""Regions of the cameras in an ND2, which openreadout leaves in the tree of the vendor's metadata."""

from typing import Any, cast

import openreadout
from openreadout import ImageInfo

from models_store.image_files.setting_values import mapping, number

_METADATA = "ImageMetadataSeq"


def with_camera_regions(file: openreadout.File, images: list[ImageInfo]) -> list[ImageInfo]:
    """Return images with `region_heights_px` in `extra`: the rows of each channel's camera, or None."""
    heights_px = _heights_px(mapping(file.vendor))
    return [
        cast("ImageInfo", {**image, "extra": {**image.get("extra", {}), "region_heights_px": heights_px}})
        for image in images
    ]


def _heights_px(vendor: object) -> list[int | None]:
    chunk = next((each for name, each in mapping(vendor).items() if name.startswith(_METADATA)), None)
    planes = mapping(mapping(mapping(chunk).get("SLxPictureMetadata")).get("sPicturePlanes"))
    channels, samples = mapping(planes.get("sPlaneNew")), mapping(planes.get("sSampleSetting"))
    return [
        _height_px(samples.get(f"a{mapping(channels.get(f'a{at}')).get('uiSampleIndex')}"))
        for at in range(len(channels))
    ]


def _height_px(sample: Any) -> int | None:  # noqa: ANN401  # of a tree
    """Return the rows of the region that a user chose for images; 0, 0, 0, 0 stands for none."""
    format_ = mapping(mapping(mapping(sample).get("pCameraSetting")).get("FormatQuality"))
    region = mapping(format_.get("rectSensorUser"))
    top, bottom = number(region.get("top")), number(region.get("bottom"))
    return int(bottom - top) if top is not None and bottom is not None and bottom > top else None
