"""`clearscope pretrain`: a file of a network, from simulated images."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from typer.testing import CliRunner

from app.commands.main import cli
from models_store.network_files.pretrained import read_pretrained
from tests.support.ndtiff_files import Plane, ndtiff_folder
from tests.support.tiff_sets import unpacked
from worker.engine.networks.pretrained import PretrainedNetwork, packaged_network, packaged_stack_network


def test_it_writes_a_network_that_says_how_it_was_made(tmp_path: Path) -> None:
    target = tmp_path / "network.safetensors"
    result = CliRunner().invoke(
        cli, ["pretrain", str(target), "--steps", "2", "--seed", "5", "--device", "cpu"]
    )
    assert result.exit_code == 0, result.output
    network = PretrainedNetwork.from_bytes(target.read_bytes())
    assert network.provenance["steps"] == 2
    assert network.provenance["recipe"]["seed"] == 5
    assert network.digest in result.output
    assert list(tmp_path.iterdir()) == [target]


RUN = """
import os, signal, sys
from pathlib import Path
from tests.engine.test_pretraining import TINY
from tests.support.tiny_training import CPU
from worker.offline.pretraining import pretrain_to_file

taken = []

def on_step(step, _error):
    taken.append(step)
    if step == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

pretrain_to_file(Path(sys.argv[1]), TINY, device=CPU, on_step=on_step)
print(taken[0])
"""


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_from_its_checkpoint_to_the_same_file(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole.safetensors", tmp_path / "killed.safetensors"
    never = 1_000

    def run(target: Path, killed_at: int) -> tuple[int, str]:
        command = [sys.executable, "-c", RUN, str(target), str(killed_at)]
        ended = subprocess.run(command, check=False, capture_output=True, text=True)
        return ended.returncode, ended.stdout.strip()

    assert run(whole, never) == (0, "1")
    assert run(killed, 45) == (-signal.SIGKILL, "")
    assert not killed.exists()
    assert run(killed, never) == (0, "41")
    assert killed.read_bytes() == whole.read_bytes()
    assert sorted(tmp_path.iterdir()) == [killed, whole]


@pytest.mark.slow
def test_a_network_for_stacks_starts_from_the_packaged_one(tmp_path: Path) -> None:
    target = tmp_path / "stacks.safetensors"
    arguments = ["pretrain", str(target), "--stacks", "--steps", "1", "--device", "cpu"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    network = PretrainedNetwork.from_bytes(target.read_bytes())
    assert network.reach == packaged_stack_network().reach == 5
    assert network.provenance["start"] == packaged_network().digest


@pytest.mark.slow
def test_training_goes_on_from_a_named_network(tmp_path: Path) -> None:
    start, target = tmp_path / "start.safetensors", tmp_path / "refined.safetensors"
    for packaged, stacks in ((packaged_network(), []), (packaged_stack_network(), ["--stacks"])):
        start.write_bytes(packaged.to_bytes())
        arguments = [
            "pretrain",
            str(target),
            "--start",
            str(start),
            *stacks,
            "--steps",
            "1",
            "--device",
            "cpu",
        ]
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 0, result.output
        network = PretrainedNetwork.from_bytes(target.read_bytes())
        assert network.provenance["start"] == packaged.digest
        assert network.reach == packaged.reach
        # One step with a small rate hardly changes the weights.
        for refined, begun in zip(network.model.parameters(), packaged.model.parameters(), strict=True):
            assert torch.allclose(refined, begun, atol=0.01)


@pytest.mark.slow
def test_own_images_are_a_part_of_the_scenes(tmp_path: Path, noisy_tiff: Path) -> None:
    image = tmp_path / "image.tif"
    tifffile.imwrite(image, np.tile(tifffile.imread(noisy_tiff), (2, 2)))
    folder = unpacked(tmp_path / "run", ndtiff_folder([Plane({"time": 0}, tifffile.imread(image)[::-1])]))
    target = tmp_path / "own.safetensors"
    run = CliRunner().invoke
    result = run(cli, ["pretrain", str(target), str(image), str(folder), "--steps", "1", "--device", "cpu"])
    assert result.exit_code == 0, result.output
    network = PretrainedNetwork.from_bytes(target.read_bytes())
    assert network.provenance["own_scenes"]["planes"] == 2
    assert network.provenance["start"] == packaged_network().digest
    assert read_pretrained(target.read_bytes()).digest == network.digest
    denoised = tmp_path / "denoised.tif"
    command = ["denoise", str(noisy_tiff), str(denoised), "--preset", "instant", "--device", "cpu"]
    result = run(cli, [*command, "--pretrained", str(target)])
    assert result.exit_code == 0, result.output
    predicted = tmp_path / "predicted.tif"
    command = ["predict", str(noisy_tiff), str(predicted), "--network", str(target), "--device", "cpu"]
    result = run(cli, command)
    assert result.exit_code == 0, result.output
    assert np.array_equal(tifffile.imread(denoised), tifffile.imread(predicted))


def test_what_cannot_be_used_is_named(tmp_path: Path, noisy_tiff: Path) -> None:
    target, stacks = tmp_path / "own.safetensors", tmp_path / "stacks.safetensors"
    stacks.write_bytes(packaged_stack_network().to_bytes())
    cropped = tmp_path / "small.tif"
    tifffile.imwrite(cropped, tifffile.imread(noisy_tiff)[:60])
    small, denoise = str(cropped), ["denoise", str(noisy_tiff), str(tmp_path / "denoised.tif")]
    begun = tmp_path / "begun.safetensors"
    begun.with_name("begun.safetensors.checkpoint").write_bytes(b"of another run")
    for arguments, words in (
        (["pretrain", str(begun), "--steps", "1"], "begun.safetensors.checkpoint cannot be resumed"),
        (["pretrain", str(target), small], "80 x 80 pixels or more"),
        (["pretrain", str(target), small, "--stacks"], "--stacks"),
        (["pretrain", str(target), "--start", str(stacks)], "sees one plane"),
        (["pretrain", str(target), "--start", small], "is no pretrained network"),
        ([*denoise, "--pretrained", small], "is no pretrained network"),
        ([*denoise, "--pretrained", str(stacks)], "for planes with neighbours"),
    ):
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 1, arguments
        assert words in str(result.exception)
