"""Pages of instruments and noise models."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import Mock

import httpx
import pytest
from sqlalchemy import event

from models_store.contracts.camera_figures import CameraCheck, FigureName, JudgedFigure
from models_store.contracts.outcomes import MadeCheck
from models_store.database.tables import Job, NoiseModelRow
from models_store.repositories.camera_checks import record_check
from tests.support.application import Application
from tests.support.databases import NOON
from tests.support.published_files import import_model

NAME = "Disc <2> & more"
DRIFTED = JudgedFigure(
    name=FigureName.GAIN,
    title="overall system gain",
    symbol="K",
    unit="DN/e-",
    value=2.2,
    standard_error=0.01,
    how="frames",
    reference=2.0,
    reference_error=0.01,
    limit=0.06,
    verdict="drifted",
)


@pytest.fixture(scope="module")
def versions(application: Application) -> list[str]:
    """Three versions of a profile: the first is retired, the third active, and its camera has drifted."""
    with application.client() as api:
        about = {"name": NAME, "modality": "spinning disc", "site": "Room 3"}
        api.post("/v1/microscopes", json=about).raise_for_status()
        profile = {"name": "fast", "camera": "Flash", "gain": 4, "region_height_px": 256}
        api.post(f"/v1/microscopes/{NAME}/profiles", json=profile).raise_for_status()
        made = [import_model(api, microscope=NAME, profile="fast")["id"] for _ in range(3)]
        api.post(f"/v1/noise-models/{made[0]}/retire", json={"reason": "new <lamp>"}).raise_for_status()
    check = CameraCheck(
        source="calibration", verdict="drifted", told="gain rose", reference_from="fit", figures=(DRIFTED,)
    )
    with application.database.write() as session:
        made_check = MadeCheck(noise_model_id=made[2], check=check)
        record_check(session, made_check, Mock(Job, id="job_1"), NOON)
    return made


@contextmanager
def loaded_noise_models() -> Iterator[list[object]]:
    """Yield the noise models whose rows are read in the block."""
    loaded: list[object] = []

    def note(row: object, _: object) -> None:
        loaded.append(row)

    event.listen(NoiseModelRow, "load", note)
    yield loaded
    event.remove(NoiseModelRow, "load", note)


def test_instruments_need_a_key(visitor: httpx.Client) -> None:
    refused = visitor.get("/instruments")
    assert refused.headers["location"] == "/sign-in?next=%2Finstruments"


@pytest.mark.usefixtures("versions")
def test_microscopes_are_listed_with_their_noise_models(browser: httpx.Client) -> None:
    with loaded_noise_models() as loaded:
        page = browser.get("/instruments").text
    assert not loaded, "they are counted by the database"
    assert "Disc &lt;2&gt; &amp; more</a>" in page
    assert "spinning disc, Room 3" in page
    assert "1 drifted" in page
    assert 'data-api="/v1/microscopes"' in page
    (link,) = re.findall(r'href="(/instruments/[^"]+)"', page)
    assert "<h1>Disc &lt;2&gt; &amp; more</h1>" in browser.get(link).text


def test_an_instrument_shows_versions_marks_charts_history_and_reports(
    browser: httpx.Client, versions: list[str]
) -> None:
    page = browser.get(f"/instruments/{NAME}").text
    assert "Flash, gain 4, 256 rows" in page
    assert page.count('<span class="mark good">active</span>') == 1
    assert page.count('<span class="mark">retired</span>') == 1
    assert "The camera has drifted since: gain rose." in page
    assert "control-charts/gain.svg" in page
    assert "new &lt;lamp&gt;" in page
    assert "<lamp>" not in page
    addresses = re.findall(r'(?:src|href)="(/v1/[^"]+)"', page)
    assert f"/v1/noise-models/{versions[2]}/report.svg" in addresses
    for address in addresses:
        assert browser.get(address).status_code == 200, address


def test_a_noise_model_shows_what_is_known_and_what_may_be_done(
    browser: httpx.Client, versions: list[str]
) -> None:
    active, retired = (browser.get(f"/noise-models/{versions[each]}").text for each in (2, 0))
    assert "Gain (ADU per electron)" in active
    assert ('data-path="roll-back"' in active, 'data-path="activate"' in active) == (True, False)
    assert ('data-path="retire"' in retired, 'data-path="activate"' in retired) == (False, True)
    assert "new &lt;lamp&gt;" in retired
    for address in re.findall(r'href="(/v1/[^"]+)"', active):
        assert browser.get(address).status_code == 200, address
    assert browser.get("/noise-models/none").status_code == 404


def test_only_keys_that_calibrate_may_change_what_is_active(
    keyed: Application, visitor: httpx.Client
) -> None:
    with keyed.client(keyed.make_key("chief 2", "admin")) as admin:
        admin.post("/v1/microscopes", json={"name": "Kept"}).raise_for_status()
        made = import_model(admin, microscope="Kept")["id"]
    for scopes, may in (("read", False), ("calibrate", True)):
        visitor.cookies["clearscope_key"] = keyed.make_key(f"of {scopes}", "read", scopes)
        page = visitor.get(f"/noise-models/{made}").text
        assert ("Change what is active" in page) == may
        assert 'data-api="/v1/microscopes"' not in visitor.get("/instruments").text
        assert 'value="fit_noise_model"' not in visitor.get("/instruments/Kept").text
