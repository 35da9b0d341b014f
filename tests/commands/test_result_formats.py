"""Results in the file format that the suffix of the output tells."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from zarr.storage import ZipStore

from models_store.contracts.vocabulary import DEFAULT_PRESET
from tests.support.commands import clearscope
from tests.support.tiny_training import TINY
from worker.engine.training.presets import PRESETS


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ImageJ stack of two channels."""
    y, x = np.mgrid[:48, :64] / 9
    signal = np.stack([60 + 30 * np.sin(y) * np.cos(x), 40 + 20 * np.cos(y + x)])
    path = tmp_path_factory.mktemp("stack") / "stack.tif"
    pixels = np.random.default_rng(3).poisson(signal).astype("uint16")
    metadata = {"axes": "CYX", "unit": "um", "mode": "composite"}
    tifffile.imwrite(path, pixels, imagej=True, resolution=(10, 10), metadata=metadata)
    return path


@pytest.fixture(scope="module")
def network(stack: Path) -> Path:
    path = stack.with_name("n2v.net")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setitem(PRESETS, DEFAULT_PRESET, TINY)
        clearscope("train", stack, "--channel", "0", "--method", "n2v", "--device", "cpu", "--output", path)
    return path


def _pixels(root: zarr.Group) -> Any:
    array = root["0"]
    assert isinstance(array, zarr.Array)
    return np.asarray(array[:])


def test_one_result_in_every_format(stack: Path, network: Path, tmp_path: Path) -> None:
    def predict(target: str, *options: str) -> None:
        clearscope("predict", stack, tmp_path / target, "--network", network, "--device", "cpu", *options)

    predict("same.tif")
    expected = tifffile.imread(tmp_path / "same.tif")
    predict("out.ome.tif", "--compression", "deflate", "--tiled")
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as tiff:
        assert tiff.series[0].axes == "CYX"
        assert 'PhysicalSizeX="0.1" PhysicalSizeXUnit="µm"' in (tiff.ome_metadata or "")
        assert tiff.pages.first.is_tiled
        np.testing.assert_array_equal(tiff.asarray(), expected)
    predict("told.tif", "--crate")
    crate = json.loads((tmp_path / "told-ro-crate-metadata.json").read_bytes())
    (root,) = [each for each in crate["@graph"] if each["@id"] == "./"]
    files = {each["@id"] for each in root["hasPart"]}
    assert files == {"told.tif", "told-trust-report.json", "told-trust-preview.png"}
    for path in tmp_path.glob("told*"):
        assert path.name in files or path.name == "told-ro-crate-metadata.json"
        path.unlink()
    predict("out.ome.zarr")
    np.testing.assert_array_equal(_pixels(zarr.open_group(tmp_path / "out.ome.zarr", mode="r")), expected)
    predict("out.ozx")
    np.testing.assert_array_equal(
        _pixels(zarr.open_group(ZipStore(tmp_path / "out.ozx", mode="r"), mode="r")), expected
    )
    assert {path.name for path in tmp_path.iterdir()} == {
        "same.tif",
        "out.ome.tif",
        "out.ome.zarr",
        "out.ozx",
    }


def test_a_report_shows_planes_of_an_ome_zarr(stack: Path, tmp_path: Path) -> None:
    instant = ("--preset", "instant", "--device", "cpu", "--report", tmp_path / "report")
    clearscope("denoise", stack, tmp_path / "out.ome.zarr", *instant)
    assert (tmp_path / "report/report_c1.png").is_file()


def test_a_folder_that_is_there_is_not_replaced(stack: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.ome.zarr"
    target.mkdir()
    (target / "zarr.json").touch()
    output = clearscope("denoise", stack, target, "--preset", "instant", code=1)
    assert "exists already; remove it" in output
    assert [path.name for path in target.iterdir()] == ["zarr.json"]


def test_options_of_tiff_are_refused_for_ome_zarr(stack: Path, tmp_path: Path) -> None:
    output = clearscope("denoise", stack, tmp_path / "out.ozx", "--compression", "zstd", code=1)
    assert "leave out --compression and --tiled" in output


def test_imagej_files_are_not_written_as_imagej_cannot_open_them(
    stack: Path, network: Path, tmp_path: Path
) -> None:
    compressed = ("--network", network, "--compression", "zstd")
    output = clearscope("predict", stack, tmp_path / "out.tif", *compressed, code=1)
    assert "ask for deflate without tiles, or for the output format ome-tiff" in output
