"""Reproduction of the paper's tables and figures, on data of every layout."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from typer.testing import CliRunner

from app.commands.main import cli
from models_store.errors import InvalidRequestError
from worker.engine.errors import NoiseFitError
from worker.engine.scores.metrics import psnr
from worker.engine.simulation import Scmos, simulate_specimen
from worker.engine.training.presets import PRESETS
from worker.reproduction.calibration_subsets import CalibrationSubset, count_calibration
from worker.reproduction.layouts import chosen_datasets, find_datasets
from worker.reproduction.methods import Budget, PaperMethod
from worker.reproduction.run import Request
from worker.reproduction.run import reproduce as reproduce_request
from worker.reproduction.simulated import SimulatedCalibration, simulated_datasets

TINY = replace(
    PRESETS["fast"],
    features=4,
    samples=8,
    patch_px=32,
    patches_per_step=2,
    patches_at_once=2,
    n2v_steps=6,
    pn2v_steps=4,
    steps_per_validation=10,
    symmetries=1,
)
SIDE_PX = 64
CAMERA = Scmos.with_maps((SIDE_PX, SIDE_PX), seed=0)
PHOTONS = 80 * simulate_specimen((SIDE_PX, SIDE_PX), seed=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Noisy frames of one field, its ground truth, and a calibration."""
    return write_folder(tmp_path / "cells")


def write_folder(folder: Path, *, calibration: bool = True) -> Path:
    rng = np.random.default_rng(2)
    for part in ("noisy", "ground_truth", *(["calibration"] if calibration else [])):
        (folder / part).mkdir(parents=True)
    for index in range(2):
        tifffile.imwrite(folder / "noisy" / f"{index}.tif", CAMERA.observe(PHOTONS, rng))
    tifffile.imwrite(folder / "ground_truth" / "mean.tif", CAMERA.signal_adu(PHOTONS).astype(np.float32))
    if calibration:
        frames = np.stack(SimulatedCalibration(CAMERA, 120.0, rng)[:20])
        tifffile.imwrite(folder / "calibration" / "iris.tif", frames, photometric="minisblack")
    return folder


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "fast", TINY)


def reproduce(part: str, data: Path | str, output: Path, *options: str) -> Any:
    result = CliRunner().invoke(
        cli,
        ["reproduce", part, "--data", str(data), "--output", str(output), *options],
        catch_exceptions=False,
    )
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.usefixtures("tiny")
def test_table_1_scores_all_methods_over_repeats_and_images(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    result = reproduce("table1", folder, output, "--repeats", "2")
    (table,) = json.loads((output / "table1.json").read_text())
    assert table["columns"] == ["cells"]
    assert (table["seed"], table["repeats"]) == (0, 2)
    assert set(table["rows"]) >= {*PaperMethod, "raw", "best Gaussian blur", "Boot. GMM, prior mean"}
    for name, row in table["rows"].items():
        cell = row["cells"]
        images_and_repeats = 4
        assert cell["psnr_db"]["count"] == images_and_repeats, name
        assert cell["psnr_db"]["standard_error"] >= 0
        assert cell["ssim"]["mean"] <= 1
    equal = {table["rows"][method]["cells"]["steps"] for method in PaperMethod}
    assert equal == {TINY.n2v_steps + TINY.pn2v_steps}
    text = (output / "table1.md").read_text()
    assert "| Boot. GMM |" in text
    assert "PSNR (dB)" in text
    assert "Boot. GMM - N2V" in text
    assert text.strip() in result.output


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_finished_results_are_not_computed_again(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    first = reproduce("table1", folder, output)
    before = (output / "table1.json").read_text()
    again = reproduce("table1", folder, output)
    assert "step 10 of 10" in first.output
    assert "step" not in again.output.split("## Table 1")[0]
    assert (output / "table1.json").read_text() == before
    other = reproduce("table1", folder, output, "--seed", "1")
    assert "step 10 of 10" in other.output
    assert (output / "table1.json").read_text() != before


@pytest.mark.usefixtures("tiny")
def test_without_calibration_the_methods_that_need_one_have_no_score(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "cells", calibration=False)
    reproduce("table1", folder, tmp_path / "out")
    (table,) = json.loads((tmp_path / "out" / "table1.json").read_text())
    for method in (PaperMethod.PN2V, PaperMethod.PN2V_GMM):
        assert table["rows"][method]["cells"]["psnr_db"] is None
        assert any(method in note and "calibration" in note for note in table["notes"])
    assert table["rows"][PaperMethod.BOOT_GMM]["cells"]["psnr_db"]["mean"] > 0
    with pytest.raises(InvalidRequestError, match="no calibration"):
        reproduce("table3", folder, tmp_path / "out")


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_the_ablations_and_figures_come_from_one_calibration(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    reproduce("table2", folder, output)
    (table2,) = json.loads((output / "table2.json").read_text())
    assert list(table2["rows"]) == ["1 Gaussian", "2 Gaussians", "3 Gaussians"]
    assert "K=2, n=3" in table2["rows"]["2 Gaussians"]["n = 3"]["note"]
    reproduce("table3", folder, output)
    (table3,) = json.loads((output / "table3.json").read_text())
    assert table3["columns"] == ["100 %", "40 %", "25 %", "15 %", "9 %"]
    assert all(cell["psnr_db"] for row in table3["rows"].values() for cell in row.values())
    signals = [cell["note"].split("to ")[1] for cell in table3["rows"]["3 Gaussians"].values()]
    brightest = [float(signal.split()[0]) for signal in signals]
    assert brightest == sorted(brightest, reverse=True)
    reproduce("fig3", folder, output)
    signals_part, pixels_part = json.loads((output / "fig3.json").read_text())
    assert "loses" in " ".join(signals_part["notes"])
    assert pixels_part["columns"] == ["100 %", "10 %", "1 %", "0.1 %", "0.01 %"]
    assert pixels_part["rows"]["PN2V GMM"]["100 %"] == signals_part["rows"]["PN2V GMM"]["100 %"]
    reproduce("fig4", folder, output)
    for name in ("fig3.png", "fig4.png"):
        with Image.open(output / name) as picture:
            assert picture.width > 500
            assert np.asarray(picture.convert("L")).std() > 10


def test_the_paper_s_downloads_are_recognised_and_divided_as_published(tmp_path: Path) -> None:
    place = tmp_path / "Convallaria_diaphragm"
    place.mkdir()
    frames = np.random.default_rng(0).integers(200, 900, (3, 600, 620), dtype=np.uint16)
    tifffile.imwrite(
        place / "20190520_tl_25um_50msec_05pc_488_130EM_Conv.tif", frames, photometric="minisblack"
    )
    (dataset,) = find_datasets(str(tmp_path), measured=None, seed=0)
    assert dataset.name == dataset.paper_column == "Convallaria"
    assert [image.noisy_yx.shape for image in dataset.scored_images(9)] == [(512, 512)] * 3
    assert np.allclose(dataset.scored_images(1)[0].truth_yx, frames.mean(axis=0)[:512, :512])
    noisy, truths = dataset.pairs()
    assert len(noisy) == len(truths) == 9
    assert {plane.shape for plane in map(noisy.__getitem__, range(9))} == {(88, 108), (512, 108), (88, 512)}
    assert "20190726_tl_50um_500msec_wf_130EM_FD.tif is missing" in dataset.without_calibration
    tifffile.imwrite(place / "20190726_tl_50um_500msec_wf_130EM_FD.tif", frames[:2], photometric="minisblack")
    (dataset,) = find_datasets(str(tmp_path), measured=None, seed=0)
    assert len(dataset.calibration) == 2


def test_crops_of_the_downloads_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "sample_attempt2.tif", np.arange(6400, dtype=np.uint16).reshape(80, 80))
    with pytest.raises(InvalidRequestError, match="80 x 80"):
        find_datasets(str(tmp_path), measured=None, seed=0)


def test_images_are_matched_with_their_ground_truth(tmp_path: Path) -> None:
    for name, frames_per_file, truths in (("all", 2, 1), ("file", 2, 5), ("image", 1, 5)):
        place = tmp_path / name
        (place / "noisy").mkdir(parents=True)
        for index in range(5):
            frames = (
                np.arange(frames_per_file * 4096, dtype=np.uint16).reshape(frames_per_file, 64, 64) + index
            )
            tifffile.imwrite(place / "noisy" / f"{index}.tif", frames, photometric="minisblack")
        planes = np.arange(truths * 4096, dtype=np.float32).reshape(truths, 64, 64)
        tifffile.imwrite(place / "ground_truth.tif", planes, photometric="minisblack")
    every, one_per_file, one_per_image = find_datasets(str(tmp_path), measured=None, seed=0)
    assert [len(field.frames) for field in every.fields] == [10]
    assert [len(field.frames) for field in one_per_file.fields] == [2] * 5
    assert [len(field.frames) for field in one_per_image.fields] == [1] * 5
    for dataset in (every, one_per_file, one_per_image):
        learned = {(index, str(region)) for index, region in dataset.supervised}
        assert not learned & {(index, str(region)) for index, region in dataset.scored}
    assert np.array_equal(one_per_file.fields[3].truth_yx, np.arange(4096).reshape(64, 64) + 3 * 4096)


def remove_truth(folder: Path) -> None:
    (folder / "ground_truth" / "mean.tif").unlink()


def add_truths(folder: Path) -> None:
    tifffile.imwrite(folder / "ground_truth" / "more.tif", np.ones((4, 64, 64)), photometric="minisblack")


def break_a_file(folder: Path) -> None:
    (folder / "noisy" / "1.tif").write_bytes(b"II*\0 and no more")


def shorten_calibration(folder: Path) -> None:
    tifffile.imwrite(folder / "calibration" / "iris.tif", np.ones((64, 64), dtype=np.uint16))


def crop_the_truth(folder: Path) -> None:
    tifffile.imwrite(folder / "ground_truth" / "mean.tif", np.arange(1024.0).reshape(32, 32))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (remove_truth, "ground_truth"),
        (add_truths, r"2 noisy images in 2 files and 5 of ground truth do not match"),
        (break_a_file, r"1\.tif"),
        (shorten_calibration, "two or more frames"),
        (crop_the_truth, r"\(64, 64\) has a ground truth of shape \(32, 32\)"),
    ],
)
def test_an_invalid_folder_is_refused_with_a_reason(
    folder: Path, spoil: Callable[[Path], None], message: str
) -> None:
    spoil(folder)
    with pytest.raises(InvalidRequestError, match=message):
        find_datasets(str(folder), measured=None, seed=0)


def test_for_a_folder_without_data_the_error_lists_expected_files(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"noisy.*ground_truth.*sample_attempt2\.tif"):
        find_datasets(str(tmp_path), measured=None, seed=0)
    (tmp_path / "Mouse_actin.zip").write_bytes(b"")
    with pytest.raises(InvalidRequestError, match=r"Mouse_actin\.zip, which has to be unpacked"):
        find_datasets(str(tmp_path), measured=None, seed=0)
    with pytest.raises(InvalidRequestError, match="neither a folder nor 'simulated'"):
        find_datasets(str(tmp_path / "nowhere"), measured=None, seed=0)


def test_simulated_data_have_the_published_noise_and_an_exact_truth() -> None:
    datasets = simulated_datasets(None, seed=3)
    assert [dataset.paper_column for dataset in datasets] == ["Convallaria", "mouse nuclei", "mouse actin"]
    for dataset in datasets:
        images = dataset.scored_images(4)
        raw_db = np.mean([psnr(image.noisy_yx, image.truth_yx) for image in images])
        assert raw_db == pytest.approx(28.98, abs=0.1)
        (field,) = dataset.fields
        mean_error = np.mean(field.frames, axis=0) - field.truth_yx
        assert abs(mean_error.mean()) < 0.01 * field.truth_yx.mean()
        assert max(frame.max() for frame in dataset.calibration) > field.truth_yx.max()


def test_measured_cameras_and_clean_images_replace_simulated_ones(test_data: Path) -> None:
    plant, nuclei, actin = simulated_datasets(test_data, seed=0)
    assert nuclei.fields[0].truth_yx.shape == actin.fields[0].truth_yx.shape == (200, 200)
    assert any("ch3_gt_f32.tif" in note for note in actin.notes)
    assert all(any("sCMOS camera" in note for note in each.notes) for each in (plant, nuclei, actin))


def test_miro_is_scored_after_an_affine_fit_with_a_simulated_calibration(test_data: Path) -> None:
    found = find_datasets(str(test_data / "miro"), measured=None, seed=0)
    assert len(found) == 8
    chosen = chosen_datasets(found, [])
    assert [dataset.name for dataset in chosen] == ["nuclei 20 ms", "actin 20 ms"]
    for dataset in chosen:
        assert dataset.other_scale
        assert len(dataset.calibration) == 100
        noisy, truths = dataset.pairs()
        assert noisy[0].mean() == pytest.approx(truths[0].mean(), rel=1e-3)
    assert [each.name for each in chosen_datasets(found, ["actin 50 ms"])] == ["actin 50 ms"]
    with pytest.raises(InvalidRequestError, match=r"no dataset actin; there are: .*actin 10 ms"):
        chosen_datasets(found, ["actin"])


def test_miro_without_the_camera_s_maps_has_no_calibration(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "ch3_raw_020ms_u16.tif", CAMERA.observe(PHOTONS, np.random.default_rng(0)))
    tifffile.imwrite(tmp_path / "ch3_gt_f32.tif", PHOTONS.astype(np.float32))
    (dataset,) = find_datasets(str(tmp_path), measured=None, seed=0)
    assert not dataset.calibration
    assert "miro.npz, is missing" in dataset.without_calibration


def test_parts_of_a_calibration() -> None:
    frames = SimulatedCalibration(CAMERA, 120.0, np.random.default_rng(1))[:10]
    data = [CAMERA.observe(PHOTONS, np.random.default_rng(0))]
    data[0][0, 0] = 0  # a pixel darker than no light at all
    low, high = float(np.mean(frames, axis=0).min()), float(data[0].max())

    def count(**part: float) -> Any:
        return count_calibration(frames, data, CalibrationSubset(**part), seed=0).counts

    whole, lower, few = count(), count(signal_share=0.25), count(pixel_share=0.01)
    assert whole.pairs == 10 * SIDE_PX**2
    assert lower.signal_range_adu[1] <= low + 0.25 * (high - low)
    assert 0 < lower.pairs < whole.pairs
    assert few.pairs == pytest.approx(0.01 * whole.pairs, rel=0.2)
    with pytest.raises(NoiseFitError, match="leaves no calibration pixels"):
        count_calibration([frame + 5000 for frame in frames], data, CalibrationSubset(0.09), seed=0)


def test_an_interrupted_command_leaves_no_partial_results(folder: Path, tmp_path: Path) -> None:
    def interrupt(stage: str, fraction: float, status: str) -> None:
        del status
        if "CARE" not in stage and fraction == 1:
            raise KeyboardInterrupt

    output = tmp_path / "out"
    budget = Budget(TINY, torch.device("cpu"), 2)
    request = Request("table1", str(folder), (), None, output, budget, 1, 0)
    with pytest.raises(KeyboardInterrupt):
        reproduce_request(request, interrupt)
    assert not list(output.rglob("*.part"))
    assert not (output / "table1.json").exists()
    tables, _ = reproduce_request(request, lambda *_: None)
    assert set(tables[0].rows) >= set(PaperMethod)


def test_a_mixture_extrapolates_to_higher_signals_better_than_a_histogram() -> None:
    frames = SimulatedCalibration(CAMERA, 120.0, np.random.default_rng(1))[:20]
    data = [CAMERA.observe(PHOTONS, np.random.default_rng(0))]
    pairs = count_calibration(frames, data, CalibrationSubset(signal_share=0.25), seed=0)
    brightest = torch.tensor([float(data[0].max())], dtype=torch.float64)
    electrons = (float(brightest) - 100) / 2.2
    true_adu2 = float(CAMERA.variance_adu2(np.full((SIDE_PX, SIDE_PX), electrons)).mean())
    mixture_adu2 = float(pairs.gmm(1, 2, seed=0).variance_adu2(brightest))
    assert mixture_adu2 == pytest.approx(true_adu2, rel=0.25)
    assert float(pairs.histogram.model().variance_adu2(brightest)) < 0.6 * true_adu2
