"""The probabilities of histogram noise models."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("noise_model", sa.Column("probabilities", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("noise_model", "probabilities")
