"""Routes of camera checks, their control charts, and monthly reports."""

from datetime import UTC
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from app.camera_reports.camera_charts import camera_chart_svg, camera_charts
from app.camera_reports.charts import chart_svg, control_charts
from app.camera_reports.crate import report_crate
from app.camera_reports.page import report_page
from app.camera_reports.report import camera_report
from app.documents.camera_checks import CameraChart, CameraCheckDocument, ControlChart
from app.documents.camera_reports import CameraReport
from app.http.authorization import READ
from app.http.dependencies import PageQuery, ReadSession, RequestServices, Services
from app.http.paging import link_next_page
from app.http.profile_parameters import ChannelQuery, MicroscopeQuery, ProfileQuery, matching_profiles
from models_store.contracts.camera_figures import FigureName
from models_store.errors import InvalidRequestError, NotFoundError
from models_store.repositories import camera_checks, microscopes

router = APIRouter(tags=["camera checks"])

_MOST_POINTS = 1000


@router.get("/camera-checks", dependencies=READ)
def list_camera_checks(
    session: ReadSession,
    page: PageQuery,
    request: Request,
    response: Response,
    microscope: MicroscopeQuery = None,
    profile: ProfileQuery = None,
    channel: ChannelQuery = None,
    noise_model: Annotated[str | None, Query(description="Id of the noise model that was checked.")] = None,
) -> list[CameraCheckDocument]:
    """List checks of cameras against their noise models, newest first."""
    found = camera_checks.list_checks(
        session,
        page,
        profile_ids=matching_profiles(session, microscope, profile),
        channel=channel,
        noise_model_id=noise_model,
    )
    link_next_page(found.next_cursor, request, response)
    return [CameraCheckDocument.of(row) for row in found.rows]


@router.get("/camera-checks/{camera_check_id}", dependencies=READ)
def get_camera_check(camera_check_id: str, session: ReadSession) -> CameraCheckDocument:
    """Get a check: figures with standard errors, references, limits and verdicts."""
    return CameraCheckDocument.of(camera_checks.get_check(session, camera_check_id))


@router.get("/microscopes/{microscope}/profiles/{profile}/control-charts", dependencies=READ)
def list_control_charts(microscope: str, profile: str, session: ReadSession) -> list[ControlChart]:
    """Get the control chart of each figure of a profile's camera, over its latest 1,000 checks."""
    owner = microscopes.find_microscope(session, microscope)
    found = microscopes.find_profile(session, owner, profile)
    return control_charts(camera_checks.latest_checks(session, [found.id], _MOST_POINTS))


@router.get(
    "/microscopes/{microscope}/profiles/{profile}/control-charts/{figure}.svg",
    dependencies=READ,
    response_class=Response,
)
def draw_control_chart(
    microscope: str,
    profile: str,
    figure: FigureName,
    session: ReadSession,
    channel: ChannelQuery = None,
) -> Response:
    """Draw the control chart of a figure, with error bars of one standard error."""
    charts = list_control_charts(microscope, profile, session)
    for chart in charts:
        if (chart.name, chart.channel) == (figure, channel):
            return Response(chart_svg(chart), media_type="image/svg+xml")
    raise NotFoundError(
        f"no check of this profile has told {figure} yet; post a job of the kind check_noise_model"
    )


@router.get("/microscopes/{microscope}/control-charts", dependencies=READ)
def list_camera_charts(microscope: str, session: ReadSession) -> list[CameraChart]:
    """Get the control charts of each camera over all its profiles, from the microscope's latest 1,000 checks.

    A camera is one by model and serial number, as its profiles tell them.
    """
    owner = microscopes.find_microscope(session, microscope)
    ids = microscopes.profile_ids(session, owner)
    return camera_charts(camera_checks.latest_checks(session, ids, _MOST_POINTS))


@router.get(
    "/microscopes/{microscope}/control-charts/{figure}.svg",
    dependencies=READ,
    response_class=Response,
)
def draw_camera_chart(
    microscope: str,
    figure: FigureName,
    session: ReadSession,
    camera: Annotated[str | None, Query(description="Model; needed if the microscope has several.")] = None,
    serial: Annotated[str | None, Query(description="Serial number; needed if several are known.")] = None,
) -> Response:
    """Draw the control chart of a figure of one camera over all its profiles."""
    found = [
        chart
        for chart in list_camera_charts(microscope, session)
        if chart.name is figure
        and camera in {None, chart.camera or ""}
        and serial in {None, chart.camera_serial or ""}
    ]
    if not found:
        raise NotFoundError(
            f"no check of such a camera of this microscope has held {figure} against a reference"
        )
    if len(found) > 1:
        named = "; ".join(f"camera={each.camera or ''} serial={each.camera_serial or ''}" for each in found)
        raise InvalidRequestError(f"camera: several cameras have this chart, name one of them: {named}")
    return Response(camera_chart_svg(found[0]), media_type="image/svg+xml")


Month = Annotated[
    str | None,
    Query(
        pattern=r"^(20|21)\d\d-(0[1-9]|1[0-2])$",
        description="Month (UTC), such as 2026-11. Default: the current one.",
    ),
]
_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"


@router.get("/microscopes/{microscope}/camera-report", dependencies=READ, response_class=HTMLResponse)
def read_camera_report(
    microscope: str, session: ReadSession, services: RequestServices, month: Month = None
) -> HTMLResponse:
    """Read the monthly report on the cameras of a microscope, as one page with control charts."""
    page = report_page(_report(microscope, session, services, month))
    return HTMLResponse(page, headers={"Content-Security-Policy": _PAGE_POLICY})


@router.get("/microscopes/{microscope}/camera-report.json", dependencies=READ)
def get_camera_report(
    microscope: str, session: ReadSession, services: RequestServices, month: Month = None
) -> CameraReport:
    """Get the monthly report as a document, with names, symbols and units of EMVA 1288."""
    return _report(microscope, session, services, month)


@router.get("/microscopes/{microscope}/camera-report.zip", dependencies=READ, response_class=Response)
def download_camera_report(
    microscope: str, session: ReadSession, services: RequestServices, month: Month = None
) -> Response:
    """Download the monthly report as RO-Crate: page, document and metadata in a ZIP archive."""
    report = _report(microscope, session, services, month)
    name = f"{report.microscope.id}-{report.month}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(report_crate(report), media_type="application/zip", headers=headers)


def _report(microscope: str, session: Session, services: Services, month: str | None) -> CameraReport:
    now = services.clock()
    owner = microscopes.find_microscope(session, microscope)
    return camera_report(session, owner, month or f"{now.astimezone(UTC):%Y-%m}", now)
