"""Base classes of all tables: column types, names of constraints, ids of rows."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Enum, Integer, MetaData, String, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from models_store.contracts.vocabulary import (
    HistoryAction,
    ImageRole,
    JobState,
    Method,
    NoiseModelOrigin,
    Output,
    Preset,
    Queue,
    UploadKind,
)


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC; SQLite does not store time zones, so reading restores it."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  # SQLAlchemy's signature
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  # SQLAlchemy's signature
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def text_enum(enumeration: type[StrEnum]) -> Enum:
    """Return a column type that stores an enumeration as text, so that a new member needs no migration."""
    values = [member.value for member in enumeration]
    return Enum(
        enumeration, native_enum=False, length=16, create_constraint=False, values_callable=lambda _: values
    )


ID = String(40)
# SQLite autoincrements only columns declared INTEGER.
ROW_NUMBER = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012  # SQLAlchemy's declarative option
        datetime: UtcDateTime,
        dict[str, Any]: JSON,
        list[Any]: JSON,
        JobState: text_enum(JobState),
        ImageRole: text_enum(ImageRole),
        Method: text_enum(Method),
        Preset: text_enum(Preset),
        Queue: text_enum(Queue),
        Output: text_enum(Output),
        NoiseModelOrigin: text_enum(NoiseModelOrigin),
        HistoryAction: text_enum(HistoryAction),
        UploadKind: text_enum(UploadKind),
    }


class Listed(Base):
    """A row with an id and a creation time; lists show the newest first."""

    __abstract__ = True

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    created_at: Mapped[datetime]
