"""Results of jobs."""

from sqlalchemy import BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from models_store.contracts.vocabulary import Output
from models_store.database.table_base import ID, Base, Listed


class Artifact(Listed):
    __tablename__ = "artifact"

    job_id: Mapped[str] = mapped_column(ForeignKey("job.id"), index=True)
    name: Mapped[str] = mapped_column(String(255))
    media_type: Mapped[str] = mapped_column(String(100))
    image_id: Mapped[str | None] = mapped_column(ID)
    """Image that the artifact is a result of; it may have been deleted."""
    output: Mapped[Output | None]
    blob_key: Mapped[str] = mapped_column(String(255), index=True)
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    link_secret: Mapped[str | None] = mapped_column(String(64))
    """Signs links to it; None: there is none, or they were ended."""


class PartPlanes(Base):
    """Planes of one image computed by a part of a prediction; kept until they are assembled."""

    __tablename__ = "part_planes"

    job_id: Mapped[str] = mapped_column(ForeignKey("job.id"), primary_key=True)
    image_id: Mapped[str] = mapped_column(ID, primary_key=True)
    output: Mapped[Output] = mapped_column(primary_key=True)
    blob_key: Mapped[str] = mapped_column(String(255), index=True)
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
