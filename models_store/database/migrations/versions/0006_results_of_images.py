"""Image and output of an artifact."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("artifact", sa.Column("image_id", sa.String(40), nullable=True))
    op.add_column("artifact", sa.Column("output", sa.String(16), nullable=True))


def downgrade() -> None:
    op.drop_column("artifact", "output")
    op.drop_column("artifact", "image_id")
