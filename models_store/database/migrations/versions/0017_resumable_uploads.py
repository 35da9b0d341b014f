"""Resumable uploads and their parts."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "resumable_upload",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner_id", sa.String(length=40), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("partial_ids", sa.Text(), nullable=True),
        sa.Column("upload_metadata", sa.Text(), nullable=False),
        sa.Column("length_bytes", sa.BigInteger(), nullable=False),
        sa.Column("received_bytes", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claim", sa.String(length=40), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("image_id", sa.String(length=40), nullable=True),
        sa.Column("problem", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["api_key.id"], name=op.f("fk_resumable_upload_owner_id_api_key")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resumable_upload")),
    )
    op.create_index("ix_resumable_upload_owner_id", "resumable_upload", ["owner_id"])
    op.create_index("ix_resumable_upload_expires_at", "resumable_upload", ["expires_at"])
    op.create_table(
        "upload_part",
        sa.Column("upload_id", sa.String(length=40), nullable=False),
        sa.Column("start_byte", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("blob_key", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(
            ["upload_id"],
            ["resumable_upload.id"],
            name=op.f("fk_upload_part_upload_id_resumable_upload"),
        ),
        sa.PrimaryKeyConstraint("upload_id", "start_byte", name=op.f("pk_upload_part")),
    )
    op.create_index("ix_upload_part_blob_key", "upload_part", ["blob_key"])


def downgrade() -> None:
    op.drop_index("ix_upload_part_blob_key", "upload_part")
    op.drop_table("upload_part")
    op.drop_index("ix_resumable_upload_expires_at", "resumable_upload")
    op.drop_index("ix_resumable_upload_owner_id", "resumable_upload")
    op.drop_table("resumable_upload")
