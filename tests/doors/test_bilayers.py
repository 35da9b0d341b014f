"""The container for BIOMERO and BILAYERS: its description, and its command run on a folder."""

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import tifffile
import yaml

from app.commands.main import cli
from models_store.contracts.vocabulary import DEFAULT_PRESET, OutputFormat, Preset
from tests.support.commands import clearscope
from tests.support.server_process import CLEARSCOPE

FOLDER = Path(__file__).parents[2] / "docker" / "bilayers"
CONFIG: dict[str, Any] = yaml.safe_load((FOLDER / "config.yaml").read_text("utf-8"))

# What the schema of BILAYERS (commit a33af22, April 2026) requires.
OF_SPEC = {"inputs", "outputs", "parameters", "exec_function", "docker_image", "algorithm_folder_name"}
OF_ALL = {"name", "type", "label", "cli_tag", "default", "optional", "section_id", "mode"}
OF_FILES = OF_ALL | {"unique_string"}
OF_IMAGES = OF_FILES | {"subtype", "depth", "timepoints", "tiled", "pyramidal"}
CHOICES = {"dropdown": {"options", "multiselect"}, "radio": {"options"}, "integer": set()}


def test_the_description_follows_the_schema() -> None:
    assert CONFIG.keys() >= OF_SPEC | {"citations"}
    assert CONFIG["docker_image"].keys() >= {"org", "name", "tag", "platform"}
    assert CONFIG["exec_function"].keys() >= {"name", "cli_command"}
    for images in (*CONFIG["inputs"], *CONFIG["outputs"]):
        assert images["type"] == "image"
        assert images.keys() >= OF_IMAGES
        assert images["file_count"] in {"single", "multiple"}
        assert set(images["subtype"]) <= {"grayscale", "color", "binary", "label"}
    for parameter in CONFIG["parameters"]:
        assert parameter.keys() >= OF_ALL | CHOICES[parameter["type"]]
        assert parameter["mode"] in {"beginner", "advanced"}


def test_its_choices_are_those_of_the_command() -> None:
    preset, file_format, _ = CONFIG["parameters"]
    assert [each["value"] for each in preset["options"]] == [each.value for each in Preset]
    assert preset["default"] == DEFAULT_PRESET
    assert [each["value"] for each in file_format["options"]] == [each.value for each in OutputFormat]
    command = CONFIG["exec_function"]["cli_command"].split()
    assert command[1] in {each.name for group in cli.registered_groups for each in commands_of(group)}


def commands_of(group: Any) -> list[Any]:
    return list(group.typer_instance.registered_commands)


def test_the_described_command_denoises_a_folder(tmp_path: Path, noisy_tiff: Path) -> None:
    source, output = tmp_path / "input_images", tmp_path / "output_images"
    source.mkdir()
    (source / "cells.tif").write_bytes(noisy_tiff.read_bytes())
    tifffile.imwrite(source / "other.ome.tif", tifffile.imread(noisy_tiff)[:64, :48], ome=True)
    (source / "broken.tif").write_text("no image")
    (source / "notes.txt").write_text("no image")
    (_, *command) = shlex.split(CONFIG["exec_function"]["cli_command"])
    chosen = {"input_images": source, "denoised_images": output, "preset": "instant"}
    for each in sorted((*CONFIG["inputs"], *CONFIG["outputs"], *CONFIG["parameters"]), key=cli_order):
        command += [each["cli_tag"], str(chosen.get(each["name"], each["default"]))]
    done = subprocess.run([CLEARSCOPE, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "1 of 3 images have no result: broken.tif: " in done.stderr
    assert {each.name for each in output.iterdir()} == {"cells_denoised.tif", "other_denoised.ome.tif"}
    assert tifffile.imread(output / "cells_denoised.tif").shape == (96, 80)
    (mark,) = CONFIG["outputs"][0]["unique_string"]
    assert all(mark in each.name for each in output.iterdir())


def cli_order(described: dict[str, Any]) -> int:
    order: int = described["cli_order"]
    return order


def test_an_ome_zarr_gives_an_ome_zarr(tmp_path: Path, noisy_tiff: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / "cells.tif").write_bytes(noisy_tiff.read_bytes())
    quick = ("--preset", "instant")
    clearscope("denoise-folder", "--input", source, "--output", source, *quick, "--format", "ome-zarr")
    assert (source / "cells_denoised.ome.zarr").is_dir()
    (source / "cells.tif").unlink()
    (source / "cells_denoised.ome.zarr").rename(source / "again.ome.zarr")
    clearscope("denoise-folder", "--input", source, "--output", tmp_path / "out", *quick)
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["again_denoised.ome.zarr"]


def test_a_folder_without_images_is_told(tmp_path: Path) -> None:
    nothing = clearscope("denoise-folder", "--input", tmp_path, "--output", tmp_path / "out", code=1)
    assert "has no images" in nothing


def test_the_dockerfile_passes_the_linter() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    command = [hadolint, FOLDER / "Dockerfile"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
