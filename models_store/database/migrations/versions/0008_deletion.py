"""Owners and references of networks and noise models, recipes with digests, retention."""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.engine import Connection

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Of the presets as they were when networks were given digests.
_DIGESTS = {"fast": "70e2cfb3", "balanced": "b57fc1dc", "paper": "9797e44f"}
_NETWORK_FIELDS = ("network", "start", "teacher", "compare_with", "distilled")
_TEACHES = " teaches"
_AT_ONCE = 500

_JOB = sa.table(
    "job", sa.column("id"), sa.column("parent_id"), sa.column("owner_id"), sa.column("spec", sa.JSON)
)
_NETWORK = sa.table(
    "network",
    sa.column("id"),
    sa.column("job_id"),
    sa.column("owner_id"),
    sa.column("preset"),
    sa.column("recipe"),
)
_NOISE_MODEL = sa.table(
    "noise_model",
    *map(sa.column, ("id", "job_id", "owner_id", "parameters", "probabilities", "size_bytes")),
)


def upgrade() -> None:
    for table in ("network", "noise_model"):
        with op.batch_alter_table(table) as batch:
            batch.add_column(sa.Column("owner_id", sa.String(40), nullable=True))
            batch.create_foreign_key(f"fk_{table}_owner_id_api_key", "api_key", ["owner_id"], ["id"])
            batch.create_index(f"ix_{table}_owner_id", ["owner_id"])
            if table == "network":
                batch.create_index("ix_network_noise_model_id", ["noise_model_id"])
            else:
                batch.add_column(sa.Column("size_bytes", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_index("ix_noise_model_activation_noise_model_id", "noise_model_activation", ["noise_model_id"])
    for kind in ("network", "noise_model"):
        _create_references(kind)
    op.create_table(
        "retention",
        sa.Column("what", sa.String(32), nullable=False),
        sa.Column("deleted", sa.BigInteger(), nullable=False),
        sa.Column("deleted_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("what", name="pk_retention"),
    )
    _fill(op.get_bind())
    with op.batch_alter_table("noise_model") as batch:
        batch.alter_column("size_bytes", server_default=None)


def _create_references(kind: str) -> None:
    table, column = f"job_{kind}", f"{kind}_id"
    op.create_table(
        table,
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column(column, sa.String(40), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=f"fk_{table}_job_id_job"),
        sa.ForeignKeyConstraint(
            [column], [f"{kind}.id"], name=f"fk_{table}_{column}_{kind}", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", column, name=f"pk_{table}"),
    )
    op.create_index(f"ix_{table}_{column}", table, [column])


def _fill(connection: Connection) -> None:
    for table in (_NETWORK, _NOISE_MODEL):
        maker = sa.select(_JOB.c.owner_id).where(_JOB.c.id == table.c.job_id).scalar_subquery()
        connection.execute(sa.update(table).values(owner_id=maker))
    text = sa.func.length(sa.cast(_NOISE_MODEL.c.parameters, sa.Text))
    bulk = sa.func.coalesce(sa.func.length(_NOISE_MODEL.c.probabilities), 0)
    connection.execute(sa.update(_NOISE_MODEL).values(size_bytes=text + bulk))
    for preset, digest in _DIGESTS.items():
        departures = sa.func.substr(_NETWORK.c.recipe, len(preset) + 1)
        connection.execute(
            sa.update(_NETWORK)
            .where(_NETWORK.c.preset == preset)
            .values(recipe=sa.literal(f"{preset}@{digest}") + departures)
        )
    _mark_teachers(connection)
    _insert_references(connection, "network", _NETWORK, _NETWORK_FIELDS)
    _insert_references(connection, "noise_model", _NOISE_MODEL, ("noise_model",))


def _mark_teachers(connection: Connection) -> None:
    """Mark networks that were trained for fewer steps, because a distilled network learned from them."""
    makers = sa.select(_NETWORK.c.id, _JOB.c.spec).join(_JOB, _JOB.c.id == _NETWORK.c.job_id)
    teachers = [
        network_id
        for network_id, spec in connection.execute(makers)
        if spec.get("teaches") and (spec.get("budget") or {}).get("steps") is None
    ]
    for part in _parts(teachers):
        marked = _NETWORK.c.recipe + sa.literal(_TEACHES)
        connection.execute(sa.update(_NETWORK).where(_NETWORK.c.id.in_(part)).values(recipe=marked))


def _insert_references(
    connection: Connection, kind: str, table: sa.TableClause, fields: Sequence[str]
) -> None:
    """Insert references of jobs to the models named in their or their stages' specs, or made by them."""
    stored = set(connection.scalars(sa.select(table.c.id)))
    eldest = sa.func.coalesce(_JOB.c.parent_id, _JOB.c.id)
    made = sa.select(eldest, table.c.id).join(_JOB, _JOB.c.id == table.c.job_id)
    found = {(job_id, thing_id) for job_id, thing_id in connection.execute(made)}
    for job_id, spec in connection.execute(sa.select(eldest, _JOB.c.spec)):
        found |= {(job_id, name) for name in (spec.get(field) for field in fields) if _is_in(name, stored)}
    target = sa.table(f"job_{kind}", sa.column("job_id"), sa.column(f"{kind}_id"))
    for part in _parts(sorted(found)):
        connection.execute(sa.insert(target), [{"job_id": job, f"{kind}_id": thing} for job, thing in part])


def _is_in(name: object, stored: set[str]) -> bool:
    return isinstance(name, str) and name in stored


def _parts(rows: list[Any]) -> Iterator[list[Any]]:
    return (rows[first : first + _AT_ONCE] for first in range(0, len(rows), _AT_ONCE))


def downgrade() -> None:
    connection = op.get_bind()
    full = sa.func.substr(_NETWORK.c.recipe, 1, sa.func.length(_NETWORK.c.recipe) - len(_TEACHES))
    connection.execute(sa.update(_NETWORK).where(_NETWORK.c.recipe.endswith(_TEACHES)).values(recipe=full))
    for preset, digest in _DIGESTS.items():
        departures = sa.func.substr(_NETWORK.c.recipe, len(f"{preset}@{digest}") + 1)
        connection.execute(
            sa.update(_NETWORK)
            .where(_NETWORK.c.recipe.startswith(f"{preset}@{digest}"))
            .values(recipe=sa.literal(preset) + departures)
        )
    op.drop_table("retention")
    op.drop_table("job_noise_model")
    op.drop_table("job_network")
    op.drop_index("ix_noise_model_activation_noise_model_id", "noise_model_activation")
    for table in ("network", "noise_model"):
        with op.batch_alter_table(table) as batch:
            if table == "network":
                batch.drop_index("ix_network_noise_model_id")
            else:
                batch.drop_column("size_bytes")
            batch.drop_index(f"ix_{table}_owner_id")
            batch.drop_constraint(f"fk_{table}_owner_id_api_key", type_="foreignkey")
            batch.drop_column("owner_id")
