"""What microscopes are, and settings that only requests tell."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ADDED: dict[str, dict[str, sa.types.TypeEngine[Any]]] = {
    "microscope": {
        "manufacturer": sa.String(200),
        "model": sa.String(200),
        "modality": sa.String(200),
        "site": sa.String(200),
        "notes": sa.Text(),
    },
    "profile": {
        "binning_xy": sa.String(8),
        "region_height_px": sa.Integer(),
        "settings": sa.JSON(),
    },
    "image": {"requested_settings": sa.JSON()},
}


def upgrade() -> None:
    for table, columns in _ADDED.items():
        for name, type_ in columns.items():
            op.add_column(table, sa.Column(name, type_, nullable=True))


def downgrade() -> None:
    for table, columns in _ADDED.items():
        for name in columns:
            op.drop_column(table, name)
