"""What the metadata of OME-Zarr images tell: sizes, times, channels, several images, and what is refused."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray

from models_store.contracts.vocabulary import OutputFormat
from models_store.errors import (
    ClearScopeError,
    ImageContentError,
    ImageCorruptError,
    ImageSeriesError,
    ImageUnsupportedError,
)
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.listing import list_images
from models_store.image_files.opening import open_planes
from models_store.image_files.results.result_file import ResultOptions, write_result
from models_store.image_files.zarr.units import length_um
from tests.support.zarr_files import add_image, attributes_of, described, open_store, write_ome_zarr

OME = {"omero": {"channels": [{"label": "DAPI", "color": "0000FF"}, {"label": "GFP", "color": "00FF00"}]}}


def noise(*shape: int) -> NDArray[np.uint16]:
    return np.random.default_rng(0).integers(90, 300, shape).astype(np.uint16)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_sizes_names_colours_and_times_reach_the_result(tmp_path: Path, zarr_format: int) -> None:
    pixels = noise(3, 2, 4, 20, 24)
    source = write_ome_zarr(tmp_path / "a.zip", pixels, "tczyx", zarr_format=zarr_format, ome=OME)
    result = tmp_path / "a.ome.tif"
    with open_planes(source) as planes:
        assert planes.header.channel_names == ("DAPI", "GFP")
        assert (planes.header.channel_colours, planes.header.time_interval_s) == (("#0000FF", "#00FF00"), 2.0)
        size = planes.header.pixel_size_um
        assert size is not None
        assert (size.x_um, size.y_um, size.z_um) == pytest.approx((0.1, 0.11, 0.5))
        options = ResultOptions(OutputFormat.OME_TIFF)
        write_result(result, (plane.astype("float32") for plane in planes), like=planes, options=options)
    with tifffile.TiffFile(result) as tiff:
        assert (tiff.series[0].axes, tiff.series[0].shape) == ("TCZYX", pixels.shape)
        np.testing.assert_array_equal(tiff.asarray(), pixels)
        xml = tiff.ome_metadata or ""
    assert 'Name="cells"' in xml
    assert 'TimeIncrement="2.0" TimeIncrementUnit="s"' in xml
    assert f'Name="GFP" Color="{0x00FF00FF}"' in xml
    assert 'PhysicalSizeZ="0.5" PhysicalSizeZUnit="µm"' in xml


@pytest.mark.parametrize(
    ("unit", "scale", "expected_um"),
    [
        *(("micrometer", 0.25, 0.25), ("nanometer", 250.0, 0.25), ("angstrom", 2500.0, 0.25)),
        *(("meter", 2.5e-7, 0.25), ("inch", 1e-5, 0.254), ("picometer", 2.5e5, 0.25), ("um", 0.25, 0.25)),
    ],
)
def test_lengths_of_all_units_become_micrometres(
    reader: Reader, tmp_path: Path, unit: str, scale: float, expected_um: float
) -> None:
    multiscale = described("yx")
    for axis in multiscale["axes"]:
        axis["unit"] = unit
    multiscale["datasets"][0]["coordinateTransformations"] = [
        {"type": "scale", "scale": [scale / 2, scale / 2]},
        {"type": "translation", "translation": [5.0, 5.0]},
    ]
    multiscale["coordinateTransformations"] = [{"type": "scale", "scale": [2.0, 2.0]}]
    ome = attributes_of(3, multiscale)["ome"]
    size = reader.open(write_ome_zarr(tmp_path / "a.zip", noise(20, 24), "yx", ome=ome)).header.pixel_size_um
    assert size is not None
    assert (size.x_um, size.y_um) == pytest.approx((expected_um, expected_um))


def test_micrometres_are_kept_as_they_are() -> None:
    assert (length_um(0.2, "micrometer"), length_um(0.7, "micrometer")) == (0.2, 0.7)


@pytest.mark.parametrize(("unit", "told"), [("furlong", "the unknown unit 'furlong'"), (None, "no unit")])
def test_a_unit_that_is_not_known_is_told(
    reader: Reader, tmp_path: Path, unit: str | None, told: str
) -> None:
    multiscale = described("yx")
    multiscale["axes"][1] = {"name": "x", "type": "space", **({"unit": unit} if unit else {})}
    ome = attributes_of(3, multiscale)["ome"]
    header = reader.open(write_ome_zarr(tmp_path / "a.zip", noise(20, 24), "yx", ome=ome)).header
    assert header.pixel_size_um is None
    assert header.warnings == (f"the axis 'x' has {told}; its scale is not used",)


def write_plate(path: Path, zarr_format: int, pixels: dict[str, NDArray[Any]]) -> Path:
    """Write a plate of fields, given by their paths (row/column/field), and a well that is not there."""
    store = open_store(path)
    fields = [tuple(field.rsplit("/", 1)) for field in pixels]
    wells = list(dict.fromkeys(well for well, _ in fields))
    plate: dict[str, Any] = {"plate": {"wells": [{"path": each} for each in [*wells, "C/9"]]}}
    plate = plate if zarr_format == 2 else {"ome": {"version": "0.5", **plate}}
    root = zarr.open_group(store, mode="w", zarr_format=2 if zarr_format == 2 else 3, attributes=plate)
    for well in wells:
        images = {"well": {"images": [{"path": field} for where, field in fields if where == well]}}
        root.create_group(well, attributes=images if zarr_format == 2 else {"ome": images})
    for field, field_yx in pixels.items():
        add_image(root.create_group(field, attributes=attributes_of(zarr_format, described("yx"))), field_yx)
    store.close()
    return path


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_fields_of_a_plate_are_series(reader: Reader, tmp_path: Path, zarr_format: int) -> None:
    fields = {"A/1/0": noise(20, 24), "A/1/1": noise(20, 24) + 5, "B/2/0": noise(30, 24)}
    path = write_plate(tmp_path / "plate.zip", zarr_format, fields)
    for number, pixels in enumerate(fields.values()):
        planes = reader.open(path, series=number)
        np.testing.assert_array_equal(planes[0], pixels)
    header = planes.header
    assert header.series == 2
    assert [(each.name, each.shape) for each in header.series_in_file] == [
        (name, pixels.shape) for name, pixels in fields.items()
    ]
    assert header.warnings == ("the metadata list images that are not in the files: 'C/9'",)
    with pytest.raises(ImageSeriesError, match=re.escape("0 is 'A/1/0', YX 20 x 24; 1 is 'A/1/1'")):
        reader.inspect(path)
    listed = list_images(path)
    assert [each.series for each in listed.headers] == [0, 1, 2]


def write_converted(path: Path, zarr_format: int, *pixels: NDArray[Any]) -> Path:
    store = open_store(path)
    layout: dict[str, Any] = {"bioformats2raw.layout": 3}
    attributes: dict[str, Any] = layout if zarr_format == 2 else {"ome": {"version": "0.5", **layout}}
    root = zarr.open_group(store, mode="w", zarr_format=2 if zarr_format == 2 else 3, attributes=attributes)
    if zarr_format == 3:
        root.create_group("OME", attributes={"ome": {"series": [str(n) for n, _ in enumerate(pixels)]}})
    for number, pixels_yx in enumerate(pixels):
        group = root.create_group(str(number), attributes=attributes_of(zarr_format, described("yx")))
        add_image(group, pixels_yx)
        labels = group.create_group("labels/nuclei", attributes=attributes_of(zarr_format, described("yx")))
        add_image(labels, pixels_yx)
    store.close()
    return path


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_images_of_a_converted_file_are_series_and_labels_are_not(
    reader: Reader, tmp_path: Path, zarr_format: int
) -> None:
    first, second = noise(20, 24), noise(30, 24)
    path = write_converted(tmp_path / "a.zarr", zarr_format, first, second)
    (path / "OME").mkdir(exist_ok=True)
    xml = '<OME xmlns="x"><Image Name="overview"/><Image Name="cells"/></OME>'
    (path / "OME" / "METADATA.ome.xml").write_text(xml)
    planes = reader.open(path, series=1)
    np.testing.assert_array_equal(planes[0], second)
    assert [each.name for each in planes.header.series_in_file] == ["overview", "cells"]


def test_an_image_that_was_never_written_is_listed_as_unusable(tmp_path: Path) -> None:
    path = write_converted(tmp_path / "a.zarr", 3, noise(20, 24), noise(30, 24))
    (path / "0" / "0" / "c" / "0" / "0").unlink()
    listed = list_images(path)
    assert [header.series for header in listed.headers] == [1]
    assert "no pixels of the image were written" in (listed.entries[0].unusable or "")


def refused(reader: Reader, path: Path, error: type[ClearScopeError], told: str) -> None:
    with pytest.raises(error, match=re.escape(told)):
        reader.inspect(path)


@pytest.mark.parametrize("axes", ["xy", "zxy", "yxc", "tqyx"])
def test_other_axes_are_refused_by_name(reader: Reader, tmp_path: Path, axes: str) -> None:
    multiscale = described("yx")
    multiscale["axes"] = [{"name": axis, "type": "space"} for axis in axes]
    path = write_ome_zarr(tmp_path / "a.zip", noise(20, 24), "yx", ome=attributes_of(3, multiscale)["ome"])
    refused(reader, path, ImageUnsupportedError, f"the axes of the image are {', '.join(map(repr, axes))}")


def test_other_versions_are_refused(reader: Reader, tmp_path: Path) -> None:
    for version, axes in (("0.6", described("yx")["axes"]), ("0.3", ["y", "x"]), (None, ["y", "x"])):
        ome = attributes_of(3, described("yx") | {"axes": axes} | ({"version": version} if version else {}))
        path = write_ome_zarr(tmp_path / "a.zip", noise(20, 24), "yx", ome=ome["ome"])
        refused(reader, path, ImageUnsupportedError, "OME-Zarr 0.4 and 0.5 are read")


def test_a_zarr_without_ome_metadata_is_refused(reader: Reader, tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "array.zarr", data=noise(20, 24))
    refused(reader, tmp_path / "array.zarr", ImageUnsupportedError, "a Zarr array without OME metadata")
    zarr.open_group(tmp_path / "group.zarr", mode="w")
    refused(reader, tmp_path / "group.zarr", ImageUnsupportedError, "no OME metadata of images at its root")


def test_labels_alone_are_refused(reader: Reader, tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "a.zip", noise(20, 24), "yx", ome={"image-label": {}})
    refused(reader, path, ImageUnsupportedError, "labels of objects")


def test_several_hierarchies_in_one_archive_are_refused_by_name(reader: Reader, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_ome_zarr(tmp_path / "both" / f"{name}.zarr", noise(20, 24), "yx")
    refused(reader, tmp_path / "both", ImageUnsupportedError, "2 Zarr hierarchies: 'a.zarr', 'b.zarr'")


def test_small_images_are_refused(reader: Reader, tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "a.zip", noise(8, 8), "yx")
    refused(reader, path, ImageContentError, "8 x 8 pixels")


def test_an_array_that_is_missing_is_named(reader: Reader, tmp_path: Path) -> None:
    ome = attributes_of(3, described("yx", "scale0/image"))["ome"]
    path = write_ome_zarr(tmp_path / "a.zip", noise(20, 24), "yx", ome=ome)
    refused(reader, path, ImageCorruptError, "the array 'scale0/image'")
