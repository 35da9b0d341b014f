"""The first tables."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "idempotency_key",
        sa.Column("scope", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.Column("resource_id", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("scope", "key", name=op.f("pk_idempotency_key")),
    )
    op.create_table(
        "microscope",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.String(length=2000), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_microscope")),
        sa.UniqueConstraint("name", name=op.f("uq_microscope_name")),
    )
    op.create_table(
        "worker",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_worker")),
    )
    with op.batch_alter_table("worker", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_worker_seen_at"), ["seen_at"], unique=False)

    op.create_table(
        "profile",
        sa.Column("microscope_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("camera", sa.String(length=200), nullable=True),
        sa.Column("readout_mode", sa.String(length=200), nullable=True),
        sa.Column("gain", sa.Double(), nullable=True),
        sa.Column("binning", sa.Integer(), nullable=True),
        sa.Column("exposure_ms", sa.Double(), nullable=True),
        sa.Column("bit_depth", sa.Integer(), nullable=True),
        sa.Column("offset_adu", sa.Double(), nullable=True),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["microscope_id"], ["microscope.id"], name=op.f("fk_profile_microscope_id_microscope")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_profile")),
        sa.UniqueConstraint("microscope_id", "name", name=op.f("uq_profile_microscope_id_name")),
    )
    op.create_table(
        "image",
        sa.Column("filename", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("blob_key", sa.String(length=255), nullable=False),
        sa.Column("preview_key", sa.String(length=255), nullable=False),
        sa.Column("header", sa.JSON(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("profile_id", sa.String(length=40), nullable=True),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["profile_id"], ["profile.id"], name=op.f("fk_image_profile_id_profile")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_image")),
    )
    with op.batch_alter_table("image", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_image_created_at_image_id"), ["created_at", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_image_profile_id"), ["profile_id"], unique=False)

    op.create_table(
        "job",
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("queue", sa.String(length=16), nullable=False),
        sa.Column("parent_id", sa.String(length=40), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("stage", sa.String(length=64), nullable=False),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("profile_id", sa.String(length=40), nullable=True),
        sa.Column("progress", sa.Double(), nullable=False),
        sa.Column("status", sa.String(length=500), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("crashes", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(length=200), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("error", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["job.id"], name=op.f("fk_job_parent_id_job")),
        sa.ForeignKeyConstraint(["profile_id"], ["profile.id"], name=op.f("fk_job_profile_id_profile")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
    )
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_job_created_at_job_id"), ["created_at", "id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_job_parent_id_job_position"), ["parent_id", "position"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_job_state_job_lease_until"), ["state", "lease_until"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_job_state_job_queue_job_created_at"),
            ["state", "queue", "created_at"],
            unique=False,
        )

    op.create_table(
        "noise_model",
        sa.Column("profile_id", sa.String(length=40), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("signal_min_adu", sa.Double(), nullable=False),
        sa.Column("signal_max_adu", sa.Double(), nullable=False),
        sa.Column("fit_quality", sa.JSON(), nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=True),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["profile_id"], ["profile.id"], name=op.f("fk_noise_model_profile_id_profile")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_noise_model")),
        sa.UniqueConstraint("profile_id", "version", name=op.f("uq_noise_model_profile_id_version")),
    )
    with op.batch_alter_table("noise_model", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_noise_model_created_at_noise_model_id"), ["created_at", "id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_noise_model_job_id"), ["job_id"], unique=False)

    op.create_table(
        "artifact",
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("blob_key", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_artifact_job_id_job")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_artifact")),
    )
    with op.batch_alter_table("artifact", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_artifact_job_id"), ["job_id"], unique=False)

    op.create_table(
        "job_dependency",
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("depends_on_id", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["depends_on_id"], ["job.id"], name=op.f("fk_job_dependency_depends_on_id_job")
        ),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_job_dependency_job_id_job")),
        sa.PrimaryKeyConstraint("job_id", "depends_on_id", name=op.f("pk_job_dependency")),
    )
    with op.batch_alter_table("job_dependency", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_job_dependency_depends_on_id"), ["depends_on_id"], unique=False)

    op.create_table(
        "job_event",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_job_event_job_id_job")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_job_event")),
    )
    with op.batch_alter_table("job_event", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_job_event_job_id_job_event_number"), ["job_id", "number"], unique=False
        )

    op.create_table(
        "job_image",
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("image_id", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["image_id"], ["image.id"], name=op.f("fk_job_image_image_id_image"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_job_image_job_id_job")),
        sa.PrimaryKeyConstraint("job_id", "image_id", name=op.f("pk_job_image")),
    )
    with op.batch_alter_table("job_image", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_job_image_image_id"), ["image_id"], unique=False)

    op.create_table(
        "network",
        sa.Column("profile_id", sa.String(length=40), nullable=True),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("preset", sa.String(length=16), nullable=False),
        sa.Column("recipe", sa.String(length=100), nullable=False),
        sa.Column("noise_model_id", sa.String(length=40), nullable=True),
        sa.Column("blob_key", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.JSON(), nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=True),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["noise_model_id"], ["noise_model.id"], name=op.f("fk_network_noise_model_id_noise_model")
        ),
        sa.ForeignKeyConstraint(["profile_id"], ["profile.id"], name=op.f("fk_network_profile_id_profile")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_network")),
    )
    with op.batch_alter_table("network", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_network_created_at_network_id"), ["created_at", "id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_network_job_id"), ["job_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_network_profile_id_network_method_network_recipe_network_created_at"),
            ["profile_id", "method", "recipe", "created_at"],
            unique=False,
        )

    op.create_table(
        "noise_model_activation",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("profile_id", sa.String(length=40), nullable=False),
        sa.Column("noise_model_id", sa.String(length=40), nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["noise_model_id"],
            ["noise_model.id"],
            name=op.f("fk_noise_model_activation_noise_model_id_noise_model"),
        ),
        sa.ForeignKeyConstraint(
            ["profile_id"], ["profile.id"], name=op.f("fk_noise_model_activation_profile_id_profile")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_noise_model_activation")),
    )
    with op.batch_alter_table("noise_model_activation", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_noise_model_activation_profile_id_noise_model_activation_activated_at"),
            ["profile_id", "activated_at"],
            unique=False,
        )


def downgrade() -> None:
    with op.batch_alter_table("noise_model_activation", schema=None) as batch_op:
        batch_op.drop_index(
            batch_op.f("ix_noise_model_activation_profile_id_noise_model_activation_activated_at")
        )

    op.drop_table("noise_model_activation")
    with op.batch_alter_table("network", schema=None) as batch_op:
        batch_op.drop_index(
            batch_op.f("ix_network_profile_id_network_method_network_recipe_network_created_at")
        )
        batch_op.drop_index(batch_op.f("ix_network_job_id"))
        batch_op.drop_index(batch_op.f("ix_network_created_at_network_id"))

    op.drop_table("network")
    with op.batch_alter_table("job_image", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_job_image_image_id"))

    op.drop_table("job_image")
    with op.batch_alter_table("job_event", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_job_event_job_id_job_event_number"))

    op.drop_table("job_event")
    with op.batch_alter_table("job_dependency", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_job_dependency_depends_on_id"))

    op.drop_table("job_dependency")
    with op.batch_alter_table("artifact", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_artifact_job_id"))

    op.drop_table("artifact")
    with op.batch_alter_table("noise_model", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_noise_model_job_id"))
        batch_op.drop_index(batch_op.f("ix_noise_model_created_at_noise_model_id"))

    op.drop_table("noise_model")
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_job_state_job_queue_job_created_at"))
        batch_op.drop_index(batch_op.f("ix_job_state_job_lease_until"))
        batch_op.drop_index(batch_op.f("ix_job_parent_id_job_position"))
        batch_op.drop_index(batch_op.f("ix_job_created_at_job_id"))

    op.drop_table("job")
    with op.batch_alter_table("image", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_image_profile_id"))
        batch_op.drop_index(batch_op.f("ix_image_created_at_image_id"))

    op.drop_table("image")
    op.drop_table("profile")
    with op.batch_alter_table("worker", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_worker_seen_at"))

    op.drop_table("worker")
    op.drop_table("microscope")
    op.drop_table("idempotency_key")
