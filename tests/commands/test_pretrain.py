"""`clearscope pretrain`: a file of a network, from simulated images."""

from pathlib import Path

from typer.testing import CliRunner

from app.commands.main import cli
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


def test_a_network_for_stacks_starts_from_the_packaged_one(tmp_path: Path) -> None:
    target = tmp_path / "stacks.safetensors"
    arguments = ["pretrain", str(target), "--stacks", "--steps", "1", "--device", "cpu"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    network = PretrainedNetwork.from_bytes(target.read_bytes())
    assert network.reach == packaged_stack_network().reach == 3
    assert network.provenance["start"] == packaged_network().digest
