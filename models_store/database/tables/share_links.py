"""Links by which programs without a key read an image or a result."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from models_store.database.table_base import ID, Listed


class ShareLink(Listed):
    """A link that is valid as long as its row is there; what signs it is with the image or artifact.

    Links of images and artifacts that were deleted lead nowhere; their rows go when they expire.
    """

    __tablename__ = "share_link"

    subject_id: Mapped[str] = mapped_column(ID, index=True)
    """Id of the image or artifact."""
    layer: Mapped[str] = mapped_column(String(16))
    key_id: Mapped[str | None] = mapped_column(ID)
    """Key that it was made with; None: the server had none."""
    made_by: Mapped[str | None] = mapped_column(String(200))
    """Name of the key."""
    expires_at: Mapped[datetime] = mapped_column(index=True)
