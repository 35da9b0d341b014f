"""Control charts of a camera over all its profiles, and limits of cameras."""

import html
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from models_store.contracts.camera_figures import (
    FIGURE_KINDS,
    CameraCheck,
    DriftLimits,
    FigureName,
    FigureVerdict,
    JudgedFigure,
)
from models_store.database.tables import CameraCheckRow
from models_store.errors import InvalidRequestError
from models_store.settings import Settings
from tests.support.answers import problem
from tests.support.application import Application

START = datetime(2026, 1, 1, tzinfo=UTC)
GAIN = FigureName.GAIN


def _check(value: float, reference: float | None, verdict: FigureVerdict) -> CameraCheck:
    kind = FIGURE_KINDS[GAIN]
    figure = JudgedFigure(
        name=GAIN,
        title=kind.title,
        symbol=kind.symbol,
        unit=kind.unit,
        value=value,
        standard_error=0.01 * value,
        how="frames",
        reference=reference,
        reference_error=0.0 if reference else None,
        limit=0.02 * reference if reference else None,
        verdict=verdict,
    )
    return CameraCheck(
        source="calibration", verdict=verdict, told="", reference_from="calibration", figures=(figure,)
    )


@pytest.fixture(scope="module")
def scope(application: Application, api: httpx.Client) -> Mapping[str, str]:
    """A microscope whose camera has two gains, and which has another camera."""
    made = api.post("/v1/microscopes", json={"name": "Disc"}).raise_for_status().json()
    url = f"/v1/microscopes/{made['id']}/profiles"
    profiles = {
        name: api.post(
            url, json={"name": name, "camera": "Fusion", "camera_serial": serial, "gain_name": gain}
        )
        .raise_for_status()
        .json()["id"]
        for name, serial, gain in (("low", "1", "1"), ("high", "1", "4"), ("other", "2", "1"))
    }
    checks = [
        ("low", _check(1.01, 1.0, "ok")),
        ("high", _check(4.12, 4.0, "drifted")),
        ("low", _check(1.0, 1.0, "ok")),
        ("other", _check(1.0, 1.0, "ok")),
        ("other", _check(1.0, None, "undecided")),
    ]
    with application.database.write() as session:
        for number, (name, check) in enumerate(checks):
            session.add(
                CameraCheckRow(
                    id=f"chk_{number}",
                    profile_id=profiles[name],
                    noise_model_id="nm_1",
                    noise_model_version=1,
                    job_id="job_1",
                    camera="Fusion",
                    camera_serial="2" if name == "other" else "1",
                    source="calibration",
                    verdict=check.verdict,
                    check=check.model_dump(mode="json"),
                    event_attempts=0,
                    created_at=START + timedelta(days=number),
                )
            )
    return {"id": made["id"], **profiles}


def test_points_of_all_profiles_are_deviations_in_limits(api: httpx.Client, scope: Mapping[str, str]) -> None:
    first, second = api.get(f"/v1/microscopes/{scope['id']}/control-charts").json()
    assert (first["camera"], first["camera_serial"], first["profiles"]) == ("Fusion", "1", ["high", "low"])
    assert [point["profile"] for point in first["points"]] == ["low", "high", "low"]
    assert [point["value"] for point in first["points"]] == pytest.approx([0.5, 1.5, 0.0])
    assert [point["standard_error"] for point in first["points"]] == pytest.approx([0.505, 0.515, 0.5])
    # The latest check of the profile `high` found a drift, whatever is known of the other since.
    assert first["verdict"] == "drifted"
    assert (second["camera_serial"], len(second["points"]), second["verdict"]) == ("2", 1, "ok")


def test_a_chart_of_one_camera_is_drawn(api: httpx.Client, scope: Mapping[str, str]) -> None:
    url = f"/v1/microscopes/{scope['id']}/control-charts"
    drawn = api.get(f"{url}/gain.svg", params={"serial": "1"})
    assert drawn.headers["content-type"] == "image/svg+xml"
    assert drawn.text.count("<circle") == 3
    assert "Fusion, no. 1" in drawn.text
    told = problem(api.get(f"{url}/gain.svg", params={"camera": "Fusion"}), 422, "invalid-request")
    assert "serial=1; camera=Fusion serial=2" in told
    problem(api.get(f"{url}/offset.svg", params={"serial": "1"}), 404, "not-found")


def test_the_report_of_a_month_has_the_charts_of_cameras_with_several_settings(
    api: httpx.Client, scope: Mapping[str, str]
) -> None:
    report = f"/v1/microscopes/{scope['id']}/camera-report"
    charts = api.get(f"/v1/microscopes/{scope['id']}/control-charts").json()
    document = api.get(f"{report}.json", params={"month": "2026-01"}).json()
    assert document["camera_charts"] == charts
    page = api.get(report, params={"month": "2026-01"}).text
    assert "Cameras over all their settings" in page
    assert page.count("of Fusion, no. 1, deviation in limits</title>") == 1
    # The other camera has one profile, whose own chart shows the same.
    assert "of Fusion, no. 2" not in page
    empty = api.get(report, params={"month": "2026-02"}).text
    assert "Cameras over all" not in empty


def test_the_page_of_the_microscope_shows_the_same_charts(
    api: httpx.Client, scope: Mapping[str, str]
) -> None:
    page = api.get(f"/instruments/{scope['id']}", headers={"Accept": "text/html"}).text
    (drawing,) = re.findall(rf'src="(/v1/microscopes/{scope["id"]}/control-charts/[^"]+)"', page)
    drawn = api.get(html.unescape(drawing))
    assert "Fusion, no. 1" in drawn.text
    # Scripts draw the figures of the page from the documents in their order.
    (block,) = re.findall(r'<script type="application/json" id="charts">(.*?)</script>', page)
    shown = [(chart.get("camera_serial"), len(chart["points"])) for chart in json.loads(block)]
    assert shown == [("1", 3), (None, 2), (None, 1), (None, 2)]
    titles = re.findall(r'<img src="[^"]+" alt="[^"]+" data-title="([^"]+)"', page)
    names = ("Fusion, no. 1", "other", "high", "low")
    assert titles == [f"overall system gain, {name}" for name in names]


def test_limits_of_a_camera_replace_those_of_the_facility(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "CLEARSCOPE_DRIFT_LIMITS_OF_CAMERAS", '{"1": {"gain_percent": 4}, "Fusion": {"offset_adu": 3}}'
    )
    own = Settings.load().drift_limits_of_cameras
    assert DriftLimits().of_camera("Fusion", "1", own) == DriftLimits(gain_percent=4)
    assert DriftLimits().of_camera("Fusion", "2", own) == DriftLimits(offset_adu=3)
    assert DriftLimits().of_camera(None, None, own) == DriftLimits()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"1": {"gain": 4}}', "'1' has no limit 'gain', only correlation, gain_percent"),
        ('{"1": {"gain_percent": 0}}', "greater than 0"),
        ('{"1": {"gain_percent": Infinity}}', "finite number"),
        ('{"1": {"gain_percent": true}}', "valid number"),
        ("gain_percent=4", "must be JSON"),
    ],
)
def test_wrong_limits_of_cameras_are_told(monkeypatch: pytest.MonkeyPatch, text: str, told: str) -> None:
    monkeypatch.setenv("CLEARSCOPE_DRIFT_LIMITS_OF_CAMERAS", text)
    with pytest.raises(InvalidRequestError, match="CLEARSCOPE_DRIFT_LIMITS_OF_CAMERAS") as error:
        Settings.load()
    assert told in str(error.value)
