"""edge: gateways beside the devices, how far their logs have come, and their history

Revision: 0019, after 0018
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    json = postgresql.JSONB(astext_type=sa.Text())
    op.create_table(
        "edges",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("lon", sa.Float(), nullable=True),
        sa.Column("lat", sa.Float(), nullable=True),
        sa.Column("token_id", sa.String(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("silent", sa.Boolean(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", json, nullable=False),
        sa.Column("wanted", json, nullable=False),
        sa.Column("wanted_revision", sa.Integer(), nullable=False),
        sa.Column("wanted_version", sa.String(), nullable=True),
        sa.Column("readings", sa.BigInteger(), nullable=False),
        sa.Column("division_code", sa.String(), nullable=False),
        sa.Column("unit_id", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["token_id"], ["tokens.id"], name=op.f("fk_edges_token_id_tokens")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_edges")),
        sa.UniqueConstraint("token_id", name=op.f("uq_edges_token_id")),
    )
    for name in ("division_code", "unit_id"):
        op.create_index(op.f(f"ix_edges_{name}"), "edges", [name], unique=False)
    op.create_table(
        "edge_progress",
        sa.Column("edge_id", sa.String(), nullable=False),
        sa.Column("epoch", sa.String(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["edge_id"], ["edges.id"], name=op.f("fk_edge_progress_edge_id_edges"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("edge_id", "epoch", name=op.f("pk_edge_progress")),
    )
    op.create_table(
        "edge_history",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("edge_id", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("detail", json, nullable=False),
        sa.ForeignKeyConstraint(
            ["edge_id"], ["edges.id"], name=op.f("fk_edge_history_edge_id_edges"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_edge_history")),
    )
    op.create_index("ix_edge_history_edge", "edge_history", ["edge_id", "at"], unique=False)


def downgrade() -> None:
    raise NotImplementedError("take back the copy of the database that was made before the upgrade")
