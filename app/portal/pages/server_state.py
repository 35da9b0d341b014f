"""What people should know of the server before they start a job."""

from sqlalchemy.orm import Session

from app.http.authorization import Caller
from app.http.dependencies import Services
from models_store.errors import ClearScopeError
from models_store.repositories.usage import require_room_for_job


def lacks_workers(services: Services) -> bool:
    """Return whether no worker was seen lately for some jobs."""
    return services.readiness.current().checks["worker"] == "failing"


def why_no_further_job(session: Session, caller: Caller) -> str:
    """Return why the key may post no further job; empty if it may."""
    try:
        if caller.quota:
            require_room_for_job(session, caller.quota)
    except ClearScopeError as error:
        return error.detail
    return ""
