"""Noise model files of the published code: reading, writing and refusing."""

import io
import zipfile
from typing import Any

import numpy as np
import pytest

from models_store.contracts.noise_models import GmmParameters, HistogramParameters
from models_store.contracts.packed_probabilities import pack
from models_store.errors import NoiseModelInvalidError
from models_store.noise_model_files.published import read_published, write_published
from tests.support.published_files import histogram_npy


def archive(**changes: Any) -> bytes:  # any array; None leaves it out
    arrays: dict[str, Any] = {
        "trained_weight": np.arange(12, dtype=np.float32).reshape(6, 2) / 10,
        "min_signal": np.array([10.0], dtype=np.float32),
        "max_signal": np.array([90.0], dtype=np.float32),
        "min_sigma": 50,
    } | changes
    buffer = io.BytesIO()
    np.savez(buffer, **{name: array for name, array in arrays.items() if array is not None})
    return buffer.getvalue()


def test_the_published_code_can_read_an_export() -> None:
    parameters = read_published(archive())
    with np.load(io.BytesIO(write_published(parameters).content), allow_pickle=False) as written:
        assert written["trained_weight"].dtype == np.float32
        assert written["trained_weight"].shape == (6, 2)
        assert written["min_signal"][0] == 10
        assert written["max_signal"][0] == 90
        assert written["min_sigma"].item() == 50


@pytest.mark.parametrize(("extrapolate", "outlier"), [(False, 0.0), (False, 1e-6), (True, 1e-10)])
def test_an_exported_model_can_be_imported_unchanged(*, extrapolate: bool, outlier: float) -> None:
    parameters = GmmParameters(
        weights=[[0.5, 1.5], [2.0, 3.0], [0.0, 0.25]],
        signal_min_adu=101.5,
        signal_max_adu=2000.0,
        variance_floor_adu2=0.3,
        outlier_density_per_adu=outlier,
        extrapolate=extrapolate,
    )
    assert read_published(write_published(parameters).content) == parameters


def test_a_compressed_file_is_read() -> None:
    with np.load(io.BytesIO(archive())) as plain:
        arrays = dict(plain)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    assert read_published(buffer.getvalue()) == read_published(archive())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an .npz"),
        (b"PK\x03\x04 and then nothing", "not an .npz"),
        (archive()[:300], "not an .npz"),
        (bytes(1 << 21), "at most"),
        (archive(trained_weight=None), "no array 'trained_weight'"),
        (archive(max_signal=None), "no array 'max_signal'"),
        (archive(min_signal=np.array([1.0, 2.0])), "expected one"),
        (archive(trained_weight=np.zeros((4, 2))), "expected \\(3K, n\\)"),
        (archive(trained_weight=np.zeros((3, 40))), "at most"),
        (archive(trained_weight=np.full((3, 2), np.nan)), "not finite"),
        (archive(trained_weight=np.array([{"a": 1}], dtype=object)), "numbers"),
        (archive(trained_weight=np.array(["text"])), "numbers"),
        (archive(trained_weight=np.zeros(1 << 20)), "too many|at most"),
        (archive(max_signal=np.array([5.0])), "below"),
        (archive(min_sigma=0), "positive"),
    ],
    ids=range(15),
)
def test_anything_else_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(NoiseModelInvalidError, match=message):
        read_published(content)


def test_a_header_that_claims_more_than_the_file_holds_is_refused() -> None:
    buffer = io.BytesIO()
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40, 3)}
    )
    with zipfile.ZipFile(buffer, "w") as hostile:
        hostile.writestr("trained_weight.npy", header.getvalue())
    with pytest.raises(NoiseModelInvalidError, match="not a complete array"):
        read_published(buffer.getvalue())


HOSTILE_HEADERS = [
    f"{{'descr': '<f8', 'fortran_order': False, 'shape': {(1,) * 100}}}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 0, 10**30)}",
    f"{{'descr': '<f8', 'fortran_order': False, 'shape': (3, 0, {10**30})}}",
    "{'descr': ((((),),),), 'fortran_order': False, 'shape': (3, 4, 4)}",
    "{'descr': '<f8', 3: False, 'shape': (3, 4, 4)}",
    "{[]: 1}",
    "-" * 9000 + "1",
]


@pytest.mark.parametrize("header", HOSTILE_HEADERS, ids=range(len(HOSTILE_HEADERS)))
def test_a_hostile_header_is_refused(header: str) -> None:
    array = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(400)
    in_archive = io.BytesIO()
    with zipfile.ZipFile(in_archive, "w") as hostile:
        hostile.writestr("trained_weight.npy", array)
    for content in (array, in_archive.getvalue()):
        with pytest.raises(NoiseModelInvalidError, match=r"is not a NumPy array|is not a complete array"):
            read_published(content)


def test_an_array_that_expands_beyond_bounds_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("trained_weight.npy", bytes(50 << 20))
    assert len(buffer.getvalue()) < 1 << 20
    with pytest.raises(NoiseModelInvalidError, match="too many"):
        read_published(buffer.getvalue())


def test_every_single_broken_byte_is_read_or_refused() -> None:
    whole = archive()
    for position in range(0, len(whole), 7):
        broken = bytearray(whole)
        broken[position] ^= 0xFF
        try:
            read_published(bytes(broken))
        except NoiseModelInvalidError as error:
            assert error.detail  # noqa: PT017  # either outcome is fine, but no other error


def test_an_exported_histogram_can_be_imported_unchanged() -> None:
    parameters = HistogramParameters(
        bins=3,
        signal_min_adu=93.5,
        signal_max_adu=700.25,
        unseen_probability=1e-7,
        probabilities=pack([[0.1, 0.9, 0.0], [0.0, 1.0, 0.0], [1 / 3, 1 / 3, 1 / 3]]),
    )
    assert read_published(write_published(parameters).content) == parameters


def test_a_histogram_follows_the_published_look_up_unless_its_file_says_otherwise() -> None:
    parameters = read_published(histogram_npy())
    assert isinstance(parameters, HistogramParameters)
    assert parameters.published_interpolation
    # The part of our file that the published code would load.
    written = np.load(io.BytesIO(write_published(parameters).content))
    np.testing.assert_array_equal(written, np.load(io.BytesIO(histogram_npy())))


def test_an_array_of_impossible_shape_is_refused() -> None:
    with zipfile.ZipFile(io.BytesIO(archive())) as sound:
        members = {name: sound.read(name) for name in sound.namelist()}
    weights = members["trained_weight.npy"]
    members["trained_weight.npy"] = weights.replace(b"'shape': (6, 2), ", b"'shape': (-6,-2),")
    assert members["trained_weight.npy"] != weights
    damaged = io.BytesIO()
    with zipfile.ZipFile(damaged, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    with pytest.raises(NoiseModelInvalidError):
        read_published(damaged.getvalue())
