"""merging

Revision: 0004, after 0003
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "incident_merges",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("incident_id", sa.String(), nullable=True),
        sa.Column("report_id", sa.String(), nullable=True),
        sa.Column("into_id", sa.String(), nullable=False),
        sa.Column("probability", sa.Float(), nullable=True),
        sa.Column("reasons", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("kept", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("by_name", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_by_name", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name=op.f("fk_incident_merges_incident_id")),
        sa.ForeignKeyConstraint(["into_id"], ["incidents.id"], name=op.f("fk_incident_merges_into_id")),
        sa.ForeignKeyConstraint(["report_id"], ["incident_reports.id"], name=op.f("fk_incident_merges_report_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_merges")),
    )
    for column in ("incident_id", "report_id", "into_id"):
        op.create_index(op.f(f"ix_incident_merges_{column}"), "incident_merges", [column], unique=False)
    op.create_index("incidents_by_place", "incidents", ["lat", "lon"], unique=False)


def downgrade() -> None:
    raise NotImplementedError("take back the copy of the database that was made before the upgrade")
