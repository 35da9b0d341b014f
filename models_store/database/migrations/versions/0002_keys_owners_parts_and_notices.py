"""Keys, owners, parts and notices."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "api_key",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("requests_per_minute", sa.Integer(), nullable=True),
        sa.Column("stored_bytes_limit", sa.BigInteger(), nullable=True),
        sa.Column("active_jobs_limit", sa.Integer(), nullable=True),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("prefix", name=op.f("uq_api_key_prefix")),
    )
    op.create_table(
        "sweep",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("swept_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_sweep")),
    )
    op.create_table(
        "api_key_microscope",
        sa.Column("api_key_id", sa.String(length=40), nullable=False),
        sa.Column("microscope_id", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["api_key_id"], ["api_key.id"], name=op.f("fk_api_key_microscope_api_key_id_api_key")
        ),
        sa.ForeignKeyConstraint(
            ["microscope_id"], ["microscope.id"], name=op.f("fk_api_key_microscope_microscope_id_microscope")
        ),
        sa.PrimaryKeyConstraint("api_key_id", "microscope_id", name=op.f("pk_api_key_microscope")),
    )
    op.create_table(
        "webhook",
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.String(length=500), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_webhook_job_id_job")),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_webhook")),
    )
    with op.batch_alter_table("webhook", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_webhook_next_attempt_at"), ["next_attempt_at"], unique=False)

    with op.batch_alter_table("idempotency_key", schema=None) as batch_op:
        batch_op.alter_column(
            "scope", existing_type=sa.VARCHAR(length=32), type_=sa.String(length=80), existing_nullable=False
        )
        batch_op.create_index(batch_op.f("ix_idempotency_key_created_at"), ["created_at"], unique=False)

    with op.batch_alter_table("image", schema=None) as batch_op:
        batch_op.add_column(sa.Column("owner_id", sa.String(length=40), nullable=True))
        batch_op.create_index(batch_op.f("ix_image_owner_id"), ["owner_id"], unique=False)
        batch_op.create_foreign_key(batch_op.f("fk_image_owner_id_api_key"), "api_key", ["owner_id"], ["id"])

    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.add_column(sa.Column("composite", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("owner_id", sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column("crash_progress", sa.Double(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("notified_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("trace", sa.JSON(), nullable=False, server_default="{}"))
        batch_op.create_index(batch_op.f("ix_job_owner_id_job_state"), ["owner_id", "state"], unique=False)
        batch_op.create_foreign_key(batch_op.f("fk_job_owner_id_api_key"), "api_key", ["owner_id"], ["id"])

    op.execute("UPDATE job SET composite = true WHERE kind = 'denoise'")

    with op.batch_alter_table("worker", schema=None) as batch_op:
        batch_op.add_column(sa.Column("queues", sa.JSON(), nullable=False, server_default="[]"))
        batch_op.add_column(sa.Column("device", sa.String(length=64), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("device_error", sa.String(length=500), nullable=True))
        batch_op.add_column(sa.Column("gpu_memory_bytes", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("worker", schema=None) as batch_op:
        batch_op.drop_column("gpu_memory_bytes")
        batch_op.drop_column("device_error")
        batch_op.drop_column("device")
        batch_op.drop_column("queues")

    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_job_owner_id_api_key"), type_="foreignkey")
        batch_op.drop_index(batch_op.f("ix_job_owner_id_job_state"))
        batch_op.drop_column("trace")
        batch_op.drop_column("notified_at")
        batch_op.drop_column("crash_progress")
        batch_op.drop_column("owner_id")
        batch_op.drop_column("composite")

    with op.batch_alter_table("image", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_image_owner_id_api_key"), type_="foreignkey")
        batch_op.drop_index(batch_op.f("ix_image_owner_id"))
        batch_op.drop_column("owner_id")

    with op.batch_alter_table("idempotency_key", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_idempotency_key_created_at"))
        batch_op.alter_column(
            "scope", existing_type=sa.String(length=80), type_=sa.VARCHAR(length=32), existing_nullable=False
        )

    with op.batch_alter_table("webhook", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_webhook_next_attempt_at"))

    op.drop_table("webhook")
    op.drop_table("api_key_microscope")
    op.drop_table("sweep")
    op.drop_table("api_key")
