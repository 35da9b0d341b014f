"""Route of Prometheus metrics."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app.http.authorization import READ
from app.http.dependencies import RequestServices

router = APIRouter(tags=["health"])


@router.get(
    "/metrics", dependencies=READ, response_class=Response, responses={200: {"content": {"text/plain": {}}}}
)
def get_metrics(services: RequestServices) -> Response:
    """Get the metrics of this server's requests and of all jobs, in the Prometheus text format."""
    return Response(generate_latest(services.registry), media_type=CONTENT_TYPE_LATEST)
