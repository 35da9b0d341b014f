"""The survey of an image's pixels."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("image", sa.Column("survey", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    op.drop_column("image", "survey")
