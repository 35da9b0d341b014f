"""What noise models were made from and by, and who activated, retired or rolled them back, and why."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_OF_NOISE_MODELS: dict[str, sa.types.TypeEngine[Any]] = {
    "images": sa.JSON(),
    "seed": sa.BigInteger(),
    "software_version": sa.String(64),
    "parameters_sha256": sa.String(64),
}
_OF_ACTIVATIONS: dict[str, sa.types.TypeEngine[Any]] = {
    "channel": sa.Text(),
    "version": sa.Integer(),
    "action": sa.String(16),
    "active_id": sa.String(40),
    "actor_id": sa.String(40),
    "actor": sa.String(200),
    "reason": sa.Text(),
}
_REFERENCE = "fk_noise_model_activation_noise_model_id_noise_model"


def upgrade() -> None:
    for name, type_ in _OF_NOISE_MODELS.items():
        op.add_column("noise_model", sa.Column(name, type_, nullable=True))
    with op.batch_alter_table("noise_model_activation") as activation:
        for name, type_ in _OF_ACTIVATIONS.items():
            activation.add_column(sa.Column(name, type_, nullable=True))
        # The history outlives the noise models.
        activation.drop_constraint(op.f(_REFERENCE), type_="foreignkey")
    op.execute(
        "UPDATE noise_model_activation SET action = 'activate', active_id = noise_model_id, "
        "channel = (SELECT noise_model.channel FROM noise_model "
        "WHERE noise_model.id = noise_model_activation.noise_model_id), "
        "version = (SELECT noise_model.version FROM noise_model "
        "WHERE noise_model.id = noise_model_activation.noise_model_id)"
    )
    with op.batch_alter_table("noise_model_activation") as activation:
        for name in ("version", "action"):
            activation.alter_column(name, existing_type=_OF_ACTIVATIONS[name], nullable=False)


def downgrade() -> None:
    op.execute(
        "DELETE FROM noise_model_activation WHERE action NOT IN ('activate', 'roll_back') "
        "OR noise_model_id NOT IN (SELECT id FROM noise_model)"
    )
    with op.batch_alter_table("noise_model_activation") as activation:
        for name in _OF_ACTIVATIONS:
            activation.drop_column(name)
        activation.create_foreign_key(op.f(_REFERENCE), "noise_model", ["noise_model_id"], ["id"])
    for name in _OF_NOISE_MODELS:
        op.drop_column("noise_model", name)
