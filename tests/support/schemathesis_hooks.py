"""Schemathesis hooks that generate image files and use ids that exist on the server under test.

Loaded by schemathesis (SCHEMATHESIS_HOOKS); CLEARSCOPE_KNOWN_IDS contains the ids by kind, as JSON.
"""

import io
import json
import math
import os
import re
import uuid
from typing import Any, TypeGuard

import numpy as np
import schemathesis
import tifffile
from hypothesis import strategies as st

from models_store.contracts.noise_models import GmmParameters, HistogramParameters
from models_store.contracts.packed_probabilities import pack
from models_store.contracts.spec_parts import MAX_CHANNELS, MAX_IMAGES_PER_JOB, MAX_SERIES
from models_store.noise_model_files.published import write_published
from tests.support.pretrained_files import small_pretrained_network

KNOWN_IDS: dict[str, list[str]] = json.loads(os.environ["CLEARSCOPE_KNOWN_IDS"])
ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
URL = re.compile(r"https?://[A-Za-z0-9.-]+(/[!-~]{0,1900})?")
TINT = re.compile(r"[0-9A-Fa-f]{6}")
MAX_KEY_CHARACTERS = 255
MAX_NAME_CHARACTERS = 100
MAX_MICROSCOPE_CHARACTERS = 200
UPLOAD_BYTES = 20
"""Size of uploads that never become complete, as no image has so few bytes."""


def _tiff(side_px: int, dtype: str) -> bytes:
    planes = np.random.default_rng(side_px).integers(10, 100, (2, side_px, side_px)).astype(dtype)
    file = io.BytesIO()
    tifffile.imwrite(file, planes, photometric="minisblack")
    return file.getvalue()


def _noise_model(signal_max_adu: float) -> bytes:
    parameters = GmmParameters(
        weights=[[1.0, 0.1], [0.5, 0.1], [0.0, 0.0]],
        signal_min_adu=0.0,
        signal_max_adu=signal_max_adu,
        variance_floor_adu2=1.0,
    )
    return write_published(parameters).content


def _histogram(bins: int) -> bytes:
    parameters = HistogramParameters(
        bins=bins, signal_min_adu=0, signal_max_adu=100, probabilities=pack(np.eye(bins))
    )
    return write_published(parameters).content


schemathesis.openapi.media_type(
    "image/tiff",
    st.builds(_tiff, st.integers(16, 40), st.sampled_from(["uint8", "uint16", "float32"])),
)
schemathesis.openapi.media_type("application/offset+octet-stream", st.binary(max_size=UPLOAD_BYTES - 1))
schemathesis.openapi.media_type("application/zip", st.builds(_noise_model, st.floats(10, 1000)))
schemathesis.openapi.media_type("application/octet-stream", st.builds(_histogram, st.integers(2, 50)))


@schemathesis.hook
def before_call(_: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]) -> None:  # noqa: ARG001  # schemathesis's signature
    """Replace valid values by ones that work, and leave invalid ones alone.

    Afterwards the ids in a body exist, an Idempotency-Key is new, and the jobs are small.
    """
    key = case.headers.get("Idempotency-Key") if case.headers else None
    if isinstance(key, str) and 0 < len(key) <= MAX_KEY_CHARACTERS:
        case.headers["Idempotency-Key"] = uuid.uuid4().hex
    if case.path.startswith("/v1/uploads") and case.headers:
        _make_upload_acceptable(case)
    if case.path == "/v1/networks/import" and isinstance(case.body, bytes):
        # Files of networks and of histograms have the same media type.
        case.body = small_pretrained_network()
    if isinstance(case.query, dict):
        if "settings" in case.query:
            _make_settings_acceptable(case.query)
        if case.method == "POST" and case.path == "/v1/images" and _is_index(case.query.get("series")):
            case.query.pop("series")  # The files hold a single image.
        _make_tile_acceptable(case.query)
    if case.path.endswith("/profiles") and isinstance(case.body, dict) and case.body.get("name") is None:
        case.body = {**case.body, "name": uuid.uuid4().hex}  # Settings that tell nothing need a name.
    if case.method == "PATCH" and case.path.startswith("/v1/images/") and isinstance(case.body, dict):
        case.body = _of_known_microscope(case.body)
    if isinstance(case.body, dict):
        case.body = _with_known_ids(_without_channel(_without_series(case.body)))


def _make_upload_acceptable(case: schemathesis.Case[Any]) -> None:
    """Tell a name and a size, and leave out what the schema cannot describe: digests and parts."""
    for name in ("Upload-Checksum", "Upload-Concat"):
        case.headers.pop(name, None)
    length = case.headers.get("Upload-Length", "0")
    metadata = case.headers.get("Upload-Metadata", "")
    if (
        case.method == "POST"
        and (str(length).isdigit() or length in {None, "null"})
        and isinstance(metadata, str)
    ):
        case.headers["Upload-Length"] = str(UPLOAD_BYTES)
        case.headers["Upload-Metadata"] = "filename Y2VsbHMudGlm"


def _make_settings_acceptable(query: dict[str, Any]) -> None:
    """Leave out what the schema cannot exclude: settings that are no JSON, or not of a microscope alone."""
    if _is_object(query["settings"]) and "microscope" in query:
        query.pop("profile", None)
    else:
        query.pop("settings")


def _is_index(value: object) -> bool:
    return not isinstance(value, bool) and str(value).isdecimal()


def _make_tile_acceptable(query: dict[str, Any]) -> None:
    """Leave out what the schema cannot exclude.

    One end of a window of contrast, ends in disorder, and the tint of diverging colours.
    """
    if query.get("colours") == "diverging" and _is_tint(query.get("tint")):
        query.pop("tint")
    ends = {name: query[name] for name in ("low", "high") if query.get(name) is not None}
    numbers = [_finite_number(each) for each in ends.values()]
    match numbers:
        case [float()]:
            query.pop(*ends)
        case [float(low), float(high)] if low >= high:
            query.pop("low")
            query.pop("high")


def _is_tint(value: object) -> bool:
    return isinstance(value, str) and TINT.fullmatch(value) is not None


def _finite_number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (OverflowError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _is_object(text: object) -> bool:
    try:
        return isinstance(text, str) and isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _without_series(body: dict[str, Any]) -> dict[str, Any]:
    """Leave out a valid list of series: the files hold a single image, and a job for them names none."""
    series = body.get("series")
    if not (isinstance(series, list) and 0 < len(series) <= MAX_IMAGES_PER_JOB):
        return body
    numbers = [each for each in series if isinstance(each, int | float) and not isinstance(each, bool)]
    valid = len(numbers) == len(series) == len({*numbers}) and all(
        each in range(MAX_SERIES) for each in numbers
    )
    return {name: value for name, value in body.items() if name != "series"} if valid else body


def _without_channel(body: dict[str, Any]) -> dict[str, Any]:
    """Leave out a valid channel: the images have a single one, and a job for them names none."""
    channel = body.get("channel")
    is_number = isinstance(channel, int | float) and not isinstance(channel, bool)
    if not (is_number and channel in range(MAX_CHANNELS)):
        return body
    return {name: value for name, value in body.items() if name != "channel"}


def _of_known_microscope(body: dict[str, Any]) -> dict[str, Any]:
    """Leave images at the microscope and profile that they have: jobs of several need the same."""
    valid = {
        name: value is None or (isinstance(value, str) and 0 < len(value) <= MAX_MICROSCOPE_CHARACTERS)
        for name, value in body.items()
        if name in {"microscope", "profile"}
    }
    replaced = dict(body)
    if valid.get("microscope"):
        replaced["microscope"] = _known("microscopes", 0)[0]
    if valid.get("profile"):
        replaced["profile"] = None
    return replaced


def _with_known_ids(body: dict[str, Any]) -> dict[str, Any]:
    replaced = dict(body)
    ids = body.get("image_ids")
    if _are_ids(ids) and len(set(ids)) == len(ids):
        replaced["image_ids"] = _known(_kind_of_images(body), len(str(ids)), count=len(ids))
    if _are_ids(body.get("data_image_ids")):
        replaced["data_image_ids"] = _known("images", 0, count=len(body["data_image_ids"]))
    if _are_ids(body.get("ground_truth_ids")):
        pairs = replaced["image_ids"] if _are_ids(ids) else body["ground_truth_ids"]
        replaced["ground_truth_ids"] = _known("ground_truths", 0) * len(pairs)
        if isinstance(body.get("candidates"), list):
            candidates = [_comparable(each, len(pairs)) for each in body["candidates"]]
            replaced["candidates"] = _with_unique_names(candidates)
    kinds = {"network": "networks", "compare_with": "networks", "start": "networks"}
    kinds |= {"teacher": "teachers", "distilled": "distilled_networks"}
    for name, kind in kinds.items():
        if _is_id(body.get(name)):
            replaced[name] = _known(kind, len(body[name]))[0]
    if _is_id(body.get("noise_model")):
        replaced["noise_model"] = _known("noise_models", len(body["noise_model"]))[0]
        # A job that names a noise model must not name a kind too.
        replaced.pop("noise_model_kind", None)
    if isinstance(body.get("webhook_url"), str) and URL.fullmatch(body["webhook_url"]):
        replaced["webhook_url"] = "http://127.0.0.1:9/"
    if body.get("kind") in ["denoise", "train"] and "budget" not in body:
        replaced["budget"] = {"steps": 1, "features": 4, "samples": 8}
    return replaced


def _kind_of_images(body: dict[str, Any]) -> str:
    calibrates = body.get("kind") == "fit_noise_model"
    checks_with_frames = body.get("kind") == "check_noise_model" and body.get("network") is None
    return "calibrations" if calibrates or checks_with_frames else "images"


def _with_unique_names(candidates: list[Any]) -> list[Any]:
    """Make candidates' names unique, which a schema cannot require; leave invalid names alone."""
    seen: set[str] = set()
    named = []
    for number, each in enumerate(candidates):
        name = each.get("name") if isinstance(each, dict) else None
        if isinstance(name, str) and name in seen and 0 < len(name) <= MAX_NAME_CHARACTERS:
            named.append(each | {"name": f"{name[: MAX_NAME_CHARACTERS - 4]} {number}"})
        else:
            named.append(each)
            seen |= {name} if isinstance(name, str) else set()
    return named


def _comparable(candidate: Any, images: int) -> Any:
    """Use as many images in each run as there are ground truths."""
    runs = candidate.get("runs") if isinstance(candidate, dict) else None
    if not isinstance(runs, list):
        return candidate
    known = _known("images", images) * images
    return {
        **candidate,
        "runs": [
            {**run, "image_ids": known} if isinstance(run, dict) and _are_ids(run.get("image_ids")) else run
            for run in runs
        ],
    }


def _are_ids(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and 0 < len(value) <= MAX_IMAGES_PER_JOB and all(map(_is_id, value))


def _is_id(value: object) -> bool:
    return isinstance(value, str) and ID.fullmatch(value) is not None


def _known(kind: str, seed: int, *, count: int = 1) -> list[str]:
    known = KNOWN_IDS[kind]
    start = seed % len(known)
    return [*known[start:], *known[:start]][:count]
