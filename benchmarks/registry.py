"""Choosing and listing in a registry of 100,000 images compared with a small one, on SQLite and PostgreSQL.

The small registry is just large enough for each query to find the same number of rows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.table import Table
from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from app.documents.noise_models import history_documents, noise_model_documents
from app.http.profile_parameters import matching_profiles
from benchmarks import registry_requests
from benchmarks.store import DATABASES, time_ms
from models_store.contracts.camera_figures import CameraCheck, FigureName, JudgedFigure
from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.vocabulary import HistoryAction, ImageRole, NoiseModelOrigin
from models_store.database.engines import Database
from models_store.database.tables import (
    CameraCheckRow,
    Image,
    Microscope,
    NoiseModelActivation,
    NoiseModelRow,
    Profile,
)
from models_store.image_files.header import ImageHeader
from models_store.job_requests.choose_noise_model import choose_noise_model
from models_store.repositories import camera_checks, images, noise_models
from models_store.repositories.microscopes import find_microscope, get_profile, list_profiles
from models_store.repositories.noise_model_history import list_history
from models_store.repositories.pages import PageRequest
from models_store.repositories.profile_settings import ALL_CHANNELS, DetectorSettings, fingerprint
from models_store.repositories.profiles import profile_of_settings

START = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2100, 1, 1, tzinfo=UTC)
REPEATS = 30
PAGE = PageRequest(20)
CHECKS_OF_A_PROFILE = 50
_MICROSCOPES = 10
_CAMERAS = 5
_EXACT, _WITHOUT_MODEL = "prof_0", "prof_1"
_BATCH = 5000

HEADER = ImageHeader(
    axes="YX",
    shape=(64, 64),
    dtype="uint16",
    planes=1,
    height_px=64,
    width_px=64,
    pixel_size_um=None,
    channel_names=(),
    file_kind="tiff",
    decoded_bytes=8192,
).model_dump(mode="json")

CHECK = CameraCheck(
    source="calibration",
    verdict="ok",
    told="as it was",
    reference_from="the calibration",
    figures=(
        JudgedFigure(
            name=FigureName.GAIN,
            title="overall system gain",
            symbol="K",
            unit="DN/e-",
            value=2.0,
            standard_error=0.01,
            how="frames",
            reference=2.0,
            reference_error=0.01,
            limit=0.05,
            verdict="ok",
        ),
    ),
).model_dump(mode="json")

Operation = Callable[[Session], Any]


@dataclass(frozen=True)
class Size:
    """Rows of a registry."""

    images: int
    noise_models: int
    profiles: int

    def __str__(self) -> str:
        return f"{self.images:,} images, {self.noise_models:,} noise models, {self.profiles} profiles"


FULL = Size(100_000, 5_000, 500)
SMALL = Size(420, 210, 21)
"""One microscope with the same pages as in the full registry; each page is full."""


@dataclass(frozen=True)
class Timed:
    what: str
    small_ms: float
    full_ms: float


def measure(small: Size = SMALL, full: Size = FULL) -> Iterator[tuple[str, list[Timed]]]:
    """Yield the name and figures of each kind of database."""
    for name, opened in DATABASES.items():
        with opened("small") as few, opened("full") as many:
            fill(few, small)
            fill(many, full)
            timed = [_timed(what, operation, few, many) for what, operation in operations().items()]
            requests = registry_requests.measure(few, many, REPEATS)
            yield name, timed + [Timed(what, *times_ms) for what, times_ms in requests.items()]


def _timed(what: str, operation: Operation, few: Database, many: Database) -> Timed:
    # Alternating, so that both see the same machine load.
    times = [(time_ms(few, operation), time_ms(many, operation)) for _ in range(REPEATS)]
    small_ms, full_ms = (min(each) for each in zip(*times, strict=True))
    return Timed(what, small_ms, full_ms)


def table(name: str, timed: list[Timed]) -> Table:
    rendered = Table(
        "operation", "small", "full", "ratio", title=f"{name}, best of {REPEATS}: {FULL} beside {SMALL}"
    )
    for row in timed:
        ratio = f"{row.full_ms / row.small_ms:.2f}"
        rendered.add_row(row.what, f"{row.small_ms:.2f} ms", f"{row.full_ms:.2f} ms", ratio)
    return rendered


def operations() -> dict[str, Operation]:
    """Return the measured operations by name: what jobs and lists do, down to the documents."""

    def choosing(profile_id: str, **spec: Any) -> Operation:  # noqa: ANN401  # fields of a spec
        def choose(session: Session) -> object:
            asked = DenoiseSpec(image_ids=["img_1"], **spec)
            return choose_noise_model(session, asked, get_profile(session, profile_id), None, None)

        return choose

    def settings_of_upload(session: Session) -> object:
        microscope = find_microscope(session, "scope 0")
        return profile_of_settings(session, microscope, {ALL_CHANNELS: _settings(0)}, START)

    def models(session: Session, microscope: str | None = None, profile: str | None = None) -> object:
        profile_ids = matching_profiles(session, microscope, profile)
        found = noise_models.list_noise_models(session, PAGE, profile_ids=profile_ids)
        return noise_model_documents(session, found.rows)

    def active(session: Session, microscope: str | None = None) -> object:
        profile_ids = matching_profiles(session, microscope, None)
        found = noise_models.list_active_noise_models(session, PAGE, profile_ids=profile_ids, at=LATER)
        return noise_model_documents(session, found.rows)

    def of_images(session: Session, microscope: str | None = None, profile: str | None = None) -> object:
        profile_ids = matching_profiles(session, microscope, profile)
        return images.list_images(session, PAGE, profile_ids=profile_ids, role=None)

    def history(session: Session, microscope: str | None = None) -> object:
        profile_ids = matching_profiles(session, microscope, None)
        return history_documents(session, list_history(session, PAGE, profile_ids=profile_ids).rows)

    def chart(session: Session) -> object:
        return camera_checks.checks_between(session, [_EXACT], START, LATER, limit=1000)

    return {
        "choose, exact profile": choosing(_EXACT),
        "choose, nearest profile": choosing(_WITHOUT_MODEL),
        "choose, at a time": choosing(_EXACT, noise_model_at=START + timedelta(days=1)),
        "profile of settings": settings_of_upload,
        "images": of_images,
        "images of a microscope": lambda session: of_images(session, "scope 0"),
        "images of a profile": lambda session: of_images(session, profile=_EXACT),
        "noise models": models,
        "noise models of a microscope": lambda session: models(session, "scope 0"),
        "noise models of a profile": lambda session: models(session, profile=_EXACT),
        "active noise models": active,
        "active noise models of a microscope": lambda session: active(session, "scope 0"),
        "profiles of a microscope": lambda session: list_profiles(
            session, find_microscope(session, "scope 0"), PAGE
        ),
        "history": history,
        "history of a microscope": lambda session: history(session, "scope 0"),
        "control chart of a profile": chart,
    }


def fill(database: Database, size: Size) -> None:
    """Bulk-insert a registry; the second profile has no noise model."""
    microscopes = min(_MICROSCOPES, size.profiles // 20)
    with_models = [number for number in range(size.profiles) if number != 1]
    rows: list[tuple[type[Any], list[dict[str, Any]]]] = [
        (Microscope, [_microscope(number) for number in range(microscopes)]),
        (Profile, [_profile(number, microscopes) for number in range(size.profiles)]),
        (NoiseModelRow, [_noise_model(at, with_models) for at in range(size.noise_models)]),
        (NoiseModelActivation, [_activation(at, with_models) for at in range(size.noise_models)]),
        (Image, [_image(number, size.profiles) for number in range(size.images)]),
        (
            CameraCheckRow,
            [_check(at, profile) for profile in range(size.profiles) for at in range(CHECKS_OF_A_PROFILE)],
        ),
    ]
    with database.write() as session:
        for of, values in rows:
            for start in range(0, len(values), _BATCH):
                session.execute(insert(of), values[start : start + _BATCH])
    with database.engine.connect() as connection:
        connection.execute(text("ANALYZE"))
        connection.commit()


def _settings(number: int) -> DetectorSettings:
    return DetectorSettings(
        camera=f"camera {number % _CAMERAS}", readout_mode="slow", gain="1", region_height=number + 1
    )


def _microscope(number: int) -> dict[str, Any]:
    return {"id": f"mic_{number}", "name": f"scope {number}", "description": "", "created_at": START}


def _profile(number: int, microscopes: int) -> dict[str, Any]:
    # The first two are of one camera at one microscope; the second gets the noise model of the nearest.
    settings = _settings(0 if number == 1 else number).model_copy(update={"region_height": number + 1})
    return {
        "id": f"prof_{number}",
        "microscope_id": f"mic_{0 if number == 1 else number % microscopes}",
        "name": f"profile {number}",
        "camera": settings.camera,
        "readout_mode": settings.readout_mode,
        "gain_name": settings.gain,
        "region_height_px": settings.region_height,
        "fingerprint": fingerprint({ALL_CHANNELS: settings}),
        "detector": settings.detector,
        "created_at": START + timedelta(seconds=number),
    }


def _noise_model(at: int, with_models: list[int]) -> dict[str, Any]:
    profile, version = with_models[at % len(with_models)], at // len(with_models) + 1
    return {
        "id": f"nm_{at}",
        "profile_id": f"prof_{profile}",
        "version": version,
        "kind": "gmm",
        "origin": NoiseModelOrigin.CALIBRATION,
        "parameters": {
            "kind": "gmm",
            "weights": [[1.0, 0.0], [5.0, 1.0], [1.0, 0.0]],
            "signal_min_adu": 0.0,
            "signal_max_adu": 100.0,
            "variance_floor_adu2": 1.0,
        },
        "signal_min_adu": 0.0,
        "signal_max_adu": 100.0,
        "fit_quality": {},
        "size_bytes": 1,
        "created_at": START + timedelta(minutes=at),
    }


def _activation(at: int, with_models: list[int]) -> dict[str, Any]:
    made = _noise_model(at, with_models)
    return {
        "profile_id": made["profile_id"],
        "noise_model_id": made["id"],
        "version": made["version"],
        "action": HistoryAction.ACTIVATE,
        "active_id": made["id"],
        "activated_at": made["created_at"],
    }


def _image(number: int, profiles: int) -> dict[str, Any]:
    return {
        "id": f"img_{number:08}",
        "filename": "a.tif",
        "sha256": "0" * 64,
        "size_bytes": 1,
        "blob_key": f"images/{number}",
        "preview_key": f"previews/{number}",
        "header": HEADER,
        "role": ImageRole.DATA,
        "profile_id": f"prof_{number % profiles}",
        "created_at": START + timedelta(seconds=number),
    }


def _check(at: int, profile: int) -> dict[str, Any]:
    return {
        "id": f"chk_{profile}_{at}",
        "profile_id": f"prof_{profile}",
        "noise_model_id": f"nm_{profile}",
        "noise_model_version": 1,
        "job_id": "job_1",
        "source": "calibration",
        "verdict": "ok",
        "check": CHECK,
        "event_attempts": 0,
        "created_at": START + timedelta(hours=at),
    }
