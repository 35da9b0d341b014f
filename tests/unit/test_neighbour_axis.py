"""Planes of a stack in depth: neighbours where their step is not far beyond the depth of field."""

import pytest

from models_store.image_files.header import ImageHeader, PixelSize
from models_store.image_files.neighbour_axis import NeighbourAxis
from models_store.image_files.optics import Optics, index_of, optics_told

WATER_60X = Optics(numerical_aperture=1.2, refractive_index=1.33, emission_nm=520)


def header(axes: str, shape: tuple[int, ...], z_um: float | None, *optics: Optics) -> ImageHeader:
    return ImageHeader(
        axes=axes,
        shape=shape,
        dtype="uint16",
        planes=shape[0],
        height_px=shape[-2],
        width_px=shape[-1],
        pixel_size_um=PixelSize(x_um=0.1, y_um=0.1, z_um=z_um),
        channel_names=(),
        file_kind="ome",
        decoded_bytes=0,
        optics=optics,
    )


@pytest.mark.parametrize(
    ("optics", "pixel_um", "expected_um"),
    [
        # 0.52 * 1.33 / 1.44 + 1.33 * 0.1 / 1.2
        (WATER_60X, 0.1, 0.591),
        # Dry, 10x: 0.55 / 0.0625 + 0.65 / 0.25
        (Optics(numerical_aperture=0.25, refractive_index=1.0, emission_nm=550), 0.65, 11.4),
        # The largest that fits what is not known: red light and oil.
        (Optics(numerical_aperture=1.4), 0.1, 0.651),
        (Optics(refractive_index=1.0, emission_nm=550), 0.1, None),
        (Optics(numerical_aperture=60.0), 0.1, None),
        (Optics(numerical_aperture=1.2, refractive_index=1.0), 0.1, None),
    ],
)
def test_the_depth_of_field_follows_from_the_optics(
    optics: Optics, pixel_um: float, expected_um: float | None
) -> None:
    found = optics.depth_of_field_um(pixel_um)
    assert found == (expected_um and pytest.approx(expected_um, rel=2e-3))


@pytest.mark.parametrize(
    ("medium", "index"),
    [("Oil", 1.52), ("WaterDipping", 1.33), ("water dipping", 1.33), ("Multi", None), (None, None)],
)
def test_the_medium_tells_the_refractive_index(medium: str | None, index: float | None) -> None:
    assert index_of(medium) == index


def test_optics_without_an_aperture_are_nothing_told() -> None:
    assert optics_told([Optics(emission_nm=520)]) == ()
    assert optics_told([Optics(), WATER_60X]) == (Optics(), WATER_60X)


@pytest.mark.parametrize(
    ("known", "axis", "words"),
    [
        (header("ZYX", (5, 20, 20), 0.3, WATER_60X), "Z", "0.3 µm apart, with a depth of field of 0.59 µm"),
        (header("ZYX", (5, 20, 20), 2.0, WATER_60X), "Z", "2 µm apart"),
        (header("ZYX", (5, 20, 20), 2.5, WATER_60X), None, "2.5 µm apart, with a depth of field of 0.59 µm"),
        (header("ZYX", (5, 20, 20), None, WATER_60X), "Z", ""),
        (header("ZYX", (5, 20, 20), 50.0), "Z", ""),
        (header("TYX", (5, 20, 20), 50.0, WATER_60X), "T", ""),
        (header("YX", (20, 20), 50.0, WATER_60X), None, ""),
    ],
)
def test_planes_far_beyond_the_depth_of_field_are_no_neighbours(
    known: ImageHeader, axis: str | None, words: str
) -> None:
    found = NeighbourAxis.of(known, None)
    assert (found.axis.name if found.axis else None) == axis
    told = found.why_alone if axis is None else found.described
    assert words in told
    assert bool(words) == bool(told)


def test_each_channel_has_optics_of_its_own() -> None:
    dry = Optics(numerical_aperture=0.3, refractive_index=1.0, emission_nm=520)
    known = header("CZYX", (2, 5, 20, 20), 5.0, WATER_60X, dry)
    assert [NeighbourAxis.of(known, channel).axis is None for channel in (0, 1)] == [True, False]
