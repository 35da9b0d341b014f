"""Indexes for lists, for claims of ready jobs, and for blob keys."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

LISTED = {"ix_job_listed": [], "ix_job_listed_by_state": ["state"], "ix_job_listed_by_kind": ["kind"]}
BLOB_KEYS = [
    ("image", "blob_key"),
    ("image", "preview_key"),
    ("artifact", "blob_key"),
    ("network", "blob_key"),
    ("part_planes", "blob_key"),
]


def upgrade() -> None:
    op.drop_index("ix_job_state_job_queue_job_created_at", "job")
    op.drop_index("ix_job_created_at_job_id", "job")
    op.drop_index("ix_job_parent_id_job_position", "job")
    stages = sa.text("parent_id IS NOT NULL")
    op.create_index(
        "ix_job_stages", "job", ["parent_id", "position"], postgresql_where=stages, sqlite_where=stages
    )
    op.create_index("ix_job_ready", "job", ["state", "queue", "composite", "created_at", "position"])
    posted = sa.text("parent_id IS NULL")
    for name, columns in LISTED.items():
        op.create_index(
            name, "job", [*columns, "created_at", "id"], postgresql_where=posted, sqlite_where=posted
        )
    for table, column in BLOB_KEYS:
        op.create_index(f"ix_{table}_{column}", table, [column])


def downgrade() -> None:
    for table, column in reversed(BLOB_KEYS):
        op.drop_index(f"ix_{table}_{column}", table)
    for name in reversed(LISTED):
        op.drop_index(name, "job")
    op.drop_index("ix_job_ready", "job")
    op.drop_index("ix_job_stages", "job")
    op.create_index("ix_job_parent_id_job_position", "job", ["parent_id", "position"])
    op.create_index("ix_job_created_at_job_id", "job", ["created_at", "id"])
    op.create_index("ix_job_state_job_queue_job_created_at", "job", ["state", "queue", "created_at"])
