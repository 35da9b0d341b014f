"""What all tables share: types of columns, naming of constraints, identity of rows."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Enum, Integer, MetaData, String, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from models_store.contracts.vocabulary import (
    ImageRole,
    JobState,
    Method,
    NoiseModelOrigin,
    Output,
    Preset,
    Queue,
)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC; SQLite forgets time zones, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  # SQLAlchemy's signature
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  # SQLAlchemy's signature
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def words(vocabulary: type[StrEnum]) -> Enum:
    """Store the values of an enumeration as text: a new word needs no migration."""
    values = [word.value for word in vocabulary]
    return Enum(
        vocabulary, native_enum=False, length=16, create_constraint=False, values_callable=lambda _: values
    )


ID = String(40)
# SQLite counts rows by itself only in a column declared INTEGER.
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
        JobState: words(JobState),
        ImageRole: words(ImageRole),
        Method: words(Method),
        Preset: words(Preset),
        Queue: words(Queue),
        Output: words(Output),
        NoiseModelOrigin: words(NoiseModelOrigin),
    }


class Listed(Base):
    """A row with an id, that is listed newest first."""

    __abstract__ = True

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    created_at: Mapped[datetime]
