"""`clearscope evaluate`: files scored side by side."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from app.commands.main import cli
from models_store.errors import ClearScopeError
from tests.support.server_process import CLEARSCOPE
from worker.engine.scores.metrics import psnr

Y, X = np.mgrid[:32, :40] / 5.0
TRUTHS = [np.asarray(200 + 50 * np.sin(Y + phase) * np.cos(X), dtype=np.float32) for phase in (0.0, 1.0)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ground truth of two fields of view, and two runs of a method that leaves noise of 2 and 4 ADU."""
    rng = np.random.default_rng(0)
    for field, truth in enumerate(TRUTHS):
        tifffile.imwrite(tmp_path / f"truth_{field}.tif", truth)
        for run, noise in enumerate((2.0, 4.0)):
            tifffile.imwrite(
                tmp_path / f"run_{run}_{field}.tif",
                (truth + rng.normal(0, noise, truth.shape)).astype(np.float32),
            )
    return tmp_path


def expected(folder: Path, run: int, field: int) -> float:
    return psnr(tifffile.imread(folder / f"run_{run}_{field}.tif"), TRUTHS[field])


def test_files_of_one_field_are_rows_of_a_table(folder: Path) -> None:
    # Two methods may give their results the same name.
    files = [str(Path(f"method_{run}") / "cells.tif") for run in (0, 1)]
    for run, file in enumerate(files):
        (folder / file).parent.mkdir()
        shutil.copy(folder / f"run_{run}_0.tif", folder / file)
    done = subprocess.run(
        [CLEARSCOPE, "evaluate", *files, "--ground-truth", str(folder / "truth_0.tif")],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines()[2:4]]
    assert [row[:2] for row in rows] == [[files[run], f"{expected(folder, run, 0):.2f}"] for run in (0, 1)]


def test_runs_over_several_fields_give_standard_errors(folder: Path) -> None:
    files = [f"Boot. GMM={folder / f'run_{run}_{field}.tif'}" for run in (0, 1) for field in (0, 1)]
    truths = [f"--ground-truth={folder / f'truth_{field}.tif'}" for field in (0, 1)]
    result = CliRunner().invoke(cli, ["evaluate", *files, *truths, "--json"])
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.stdout)
    means = [np.mean([expected(folder, run, field) for field in (0, 1)]) for run in (0, 1)]
    assert (row["name"], row["runs"], row["planes"]) == ("Boot. GMM", 2, 2)
    assert row["psnr_db"]["mean"] == pytest.approx(np.mean(means))
    assert row["psnr_db"]["standard_error_over_runs"] == pytest.approx(abs(means[0] - means[1]) / 2)
    assert [[plane["psnr_db"] for plane in run] for run in row["scores"]] == [
        pytest.approx([expected(folder, run, field) for field in (0, 1)]) for run in (0, 1)
    ]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["run_0_0.tif"], "1 files for 2"),
        (["run_0_0.tif", "missing.tif"], "missing.tif"),
        (["run_0_0.tif", "text.tif"], "text.tif"),
        (["run_0_0.tif", "narrow.tif"], "30 x 32"),
        (["run_0_0.tif", "run_0_0.tif"], "is listed twice"),
        (["A|B=run_0_0.tif", "A|B=run_0_1.tif"], "'A|B' is not a valid row name"),
    ],
)
def test_files_that_cannot_be_compared_are_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, files: list[str], words: str
) -> None:
    monkeypatch.chdir(folder)
    (folder / "text.tif").write_text("no image", encoding="utf-8")
    tifffile.imwrite(folder / "narrow.tif", TRUTHS[1][:, :30])
    truths = [f"--ground-truth={folder / f'truth_{field}.tif'}" for field in (0, 1)]
    result = CliRunner().invoke(cli, ["evaluate", *files, *truths])
    assert isinstance(result.exception, ClearScopeError)
    assert words in result.exception.detail


def test_movies_are_scored_in_time_too(tmp_path: Path) -> None:
    """Signal and noise of the traces are known; a constant error does not count, as it does in the PSNR."""
    rng = np.random.default_rng(1)
    light = 1 + 0.5 * np.sin(np.arange(20) / 3)
    movie_tyx = (TRUTHS[0] * light[:, None, None]).astype(np.float32)
    noise_tyx = rng.normal(0, 5.0, movie_tyx.shape)
    files: dict[str, np.ndarray] = {
        "truth": movie_tyx,
        "noisy": movie_tyx + noise_tyx,
        "darker": movie_tyx + noise_tyx - 20,
        "still": np.broadcast_to(movie_tyx.mean(axis=0), movie_tyx.shape),
    }
    for name, values in files.items():
        tifffile.imwrite(
            tmp_path / f"{name}.tif", values.astype(np.float32), imagej=True, metadata={"axes": "TYX"}
        )
    candidates = [f"{name}={tmp_path / name}.tif" for name in ("noisy", "darker", "still")]
    arguments = ["evaluate", *candidates, "--ground-truth", str(tmp_path / "truth.tif")]
    result = CliRunner().invoke(cli, [*arguments, "--json"])
    noisy, darker, still = json.loads(result.stdout)
    expected_db = 10 * np.log10(movie_tyx.var(axis=0).mean() / noise_tyx.var(axis=0).mean())
    assert noisy["trace_snr_db"]["mean"] == pytest.approx(expected_db, abs=0.01)
    assert darker["trace_snr_db"]["mean"] == pytest.approx(expected_db, abs=0.01)
    assert still["trace_snr_db"]["mean"] == pytest.approx(0, abs=0.01)
    assert darker["psnr_db"]["mean"] < noisy["psnr_db"]["mean"]
    table = CliRunner().invoke(cli, arguments).stdout
    assert f"{expected_db:.2f}" in table
    assert "SNR of traces" in table


def test_a_still_ground_truth_has_no_traces(folder: Path) -> None:
    stack = np.stack([TRUTHS[0]] * 3)
    for name, noise in (("truth", 0.0), ("result", 1.0)):
        rng = np.random.default_rng(2)
        pixels = (stack + rng.normal(0, noise, stack.shape)).astype(np.float32)
        tifffile.imwrite(folder / f"{name}.tif", pixels, photometric="minisblack")
    result = CliRunner().invoke(
        cli, ["evaluate", str(folder / "result.tif"), "--ground-truth", str(folder / "truth.tif"), "--json"]
    )
    assert "trace_snr_db" not in json.loads(result.stdout)[0]
