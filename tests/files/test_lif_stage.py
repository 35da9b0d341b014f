"""Positions of the stage of Leica's LIF files, in the metadata of results."""

from pathlib import Path

import numpy as np
import pytest

from models_store.image_files.opening import open_planes
from tests.support.lif_files import LifImage, write_lif
from tests.support.microscope_files import noise

SETTINGS = (
    '<Attachment Name="HardwareSetting"><ATLConfocalSettingDefinition StagePosX="0.0346" StagePosY="0.0147"/>'
    "</Attachment>"
)
TILES = (
    '<Attachment Name="TileScanInfo"><Tile FieldX="0" FieldY="0" PosX="0.01" PosY="0.02"/>'
    '<Tile FieldX="1" FieldY="0" PosX="0.0104" PosY="0.02"/></Attachment>'
)


def position_um(path: Path, series: int | None = None) -> tuple[float, float] | None:
    """Return the position that a result tells of its first plane."""
    with open_planes(path, series=series) as planes:
        told = planes.result_format(np.dtype(np.uint16)).page["metadata"].get("Plane", {})
    if "PositionX" not in told:
        return None
    assert set(told["PositionXUnit"]) == {"µm"}
    return told["PositionX"][0], told["PositionY"][0]


@pytest.mark.parametrize(
    ("attachments", "expected"),
    [
        (SETTINGS, (34600, 14700)),
        (TILES + SETTINGS, (10200, 20000)),
        ("", None),
        ('<Attachment Name="HardwareSetting"><ATLCameraSettingDefinition/></Attachment>', None),
    ],
    ids=["one-position", "tiles", "nothing", "without-stage"],
)
def test_the_position_of_the_stage_is_told(
    tmp_path: Path, attachments: str, expected: tuple[float, float] | None
) -> None:
    image = LifImage("a", "YX", noise(1, 32, 40)[0], {"X": 0.1, "Y": 0.1}, attachments=attachments)
    found = position_um(write_lif(tmp_path / "a.lif", [image]))
    assert found == (None if expected is None else pytest.approx(expected))


def test_scans_of_a_real_file_have_positions_of_their_own(test_data: Path) -> None:
    path = test_data / "vendor" / "lif_2channel_xz.lif"
    assert position_um(path, 0) == pytest.approx((34620.94, 14743.05), abs=0.01)
    assert position_um(path, 2) == pytest.approx((34671.34, 14732.25), abs=0.01)
