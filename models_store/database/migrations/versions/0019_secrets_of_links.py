"""Secrets with which links to images and artifacts are signed."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0019"
down_revision: str | None = "0018"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TABLES = ("image", "artifact")


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(table, sa.Column("link_secret", sa.String(64), nullable=True))


def downgrade() -> None:
    for table in _TABLES:
        op.drop_column(table, "link_secret")
