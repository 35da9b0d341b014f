"""Channels of stages, networks and noise models."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("job", sa.Column("channel", sa.Integer(), nullable=True))
    for table in ("network", "noise_model"):
        op.add_column(table, sa.Column("channel", sa.Text(), nullable=True))


def downgrade() -> None:
    for table in ("job", "network", "noise_model"):
        op.drop_column(table, "channel")
