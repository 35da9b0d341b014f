"""Images of uploads that hold several, which share a blob."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

UPLOADS = sa.text("parent_id IS NULL")


def upgrade() -> None:
    with op.batch_alter_table("image") as image:
        image.add_column(sa.Column("parent_id", sa.String(length=40), nullable=True))
        image.add_column(sa.Column("series", sa.Integer(), nullable=True))
        image.create_foreign_key(op.f("fk_image_parent_id_image"), "image", ["parent_id"], ["id"])
        image.drop_index("ix_image_created_at_image_id")
    op.create_index(
        "ix_image_uploads", "image", ["created_at", "id"], postgresql_where=UPLOADS, sqlite_where=UPLOADS
    )
    op.create_index("ix_image_parent_id_image_series", "image", ["parent_id", "series"])


def downgrade() -> None:
    op.execute("DELETE FROM job_image WHERE image_id IN (SELECT id FROM image WHERE parent_id IS NOT NULL)")
    op.execute("DELETE FROM image WHERE parent_id IS NOT NULL")
    op.drop_index("ix_image_parent_id_image_series", "image")
    op.drop_index("ix_image_uploads", "image")
    with op.batch_alter_table("image") as image:
        image.drop_constraint(op.f("fk_image_parent_id_image"), type_="foreignkey")
        image.drop_column("series")
        image.drop_column("parent_id")
        image.create_index("ix_image_created_at_image_id", ["created_at", "id"])
