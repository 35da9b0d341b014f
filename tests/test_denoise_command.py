"""Denoising a file without a server."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from app.cli import cli
from models_store.errors import ImageContentError, InvalidRequestError, NoiseModelInvalidError
from models_store.image_files.planes import open_planes
from models_store.published_noise_models import read_published
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner
from worker.engine.metrics import psnr
from worker.engine.noise.gmm import GaussianMixtureNoiseModel
from worker.engine.presets import PRESETS
from worker.engine.simulation import Scmos, simulate_specimen
from worker.local import DenoiseOptions, EvenlySpacedPlanes, denoise_file
from worker.report import DenoisedPlane, LinearNoise, NoiseEvidence, draw_report

TINY = replace(
    PRESETS["fast"],
    features=8,
    samples=16,
    patch_px=32,
    patches_per_step=8,
    patches_at_once=8,
    n2v_steps=60,
    pn2v_steps=60,
    steps_per_validation=20,
    symmetries=1,
)
OPTIONS = DenoiseOptions(TINY, torch.device("cpu"))


@pytest.fixture(scope="module")
def signal_adu() -> NDArray[np.float64]:
    detector = Scmos.with_maps((96, 96), seed=0)
    return detector.signal_adu(60 * simulate_specimen((96, 96), seed=1))


@pytest.fixture(scope="module")
def observation_adu() -> NDArray[np.uint16]:
    detector = Scmos.with_maps((96, 96), seed=0)
    return detector.observe(60 * simulate_specimen((96, 96), seed=1), np.random.default_rng(2))
