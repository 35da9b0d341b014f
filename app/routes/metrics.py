"""Figures for Prometheus."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app.http.authorization import READ
from app.http.dependencies import Provided

router = APIRouter(tags=["health"])


@router.get(
    "/metrics", dependencies=READ, response_class=Response, responses={200: {"content": {"text/plain": {}}}}
)
def get_metrics(provided: Provided) -> Response:
    """Give all figures in Prometheus' text format: this server's requests, and everybody's jobs."""
    return Response(generate_latest(provided.registry), media_type=CONTENT_TYPE_LATEST)
