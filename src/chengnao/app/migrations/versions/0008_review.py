"""review

Revision: 0008, after 0007
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reviews",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("occasions", postgresql.ARRAY(sa.String()), nullable=False),
        sa.Column("division_code", sa.String(), nullable=False),
        sa.Column("unit_id", sa.String(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_by", postgresql.JSONB(), nullable=False),
        sa.Column("causes", postgresql.JSONB(), nullable=False),
        sa.Column("lessons", postgresql.JSONB(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_by", postgresql.JSONB(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
        sa.UniqueConstraint("number", name=op.f("uq_reviews_number")),
    )
    op.create_index(op.f("ix_reviews_division_code"), "reviews", ["division_code"])
    op.create_index(op.f("ix_reviews_unit_id"), "reviews", ["unit_id"])
    op.create_index("reviews_by_state_and_time", "reviews", ["state", "opened_at"])
    op.create_table(
        "review_incidents",
        sa.Column("review_id", sa.String(), nullable=False),
        sa.Column("incident_id", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["review_id"], ["reviews.id"], name=op.f("fk_review_incidents_review_id_reviews")),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_review_incidents_incident_id_incidents")
        ),
        sa.PrimaryKeyConstraint("review_id", "incident_id", name=op.f("pk_review_incidents")),
    )
    op.create_index(op.f("ix_review_incidents_incident_id"), "review_incidents", ["incident_id"])
    op.create_table(
        "proposals",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("change", postgresql.JSONB(), nullable=False),
        sa.Column("about", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("pattern", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("author", postgresql.JSONB(), nullable=False),
        sa.Column("division_code", sa.String(), nullable=False),
        sa.Column("target_code", sa.String(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("review_id", sa.String(), nullable=True),
        sa.Column("replay", postgresql.JSONB(), nullable=True),
        sa.Column("progress", postgresql.JSONB(), nullable=True),
        sa.Column("decision", postgresql.JSONB(), nullable=True),
        sa.Column("before", postgresql.JSONB(), nullable=True),
        sa.Column("after", postgresql.JSONB(), nullable=True),
        sa.Column("withdrawal", postgresql.JSONB(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["review_id"], ["reviews.id"], name=op.f("fk_proposals_review_id_reviews")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposals")),
        sa.UniqueConstraint("number", name=op.f("uq_proposals_number")),
    )
    op.create_index(op.f("ix_proposals_division_code"), "proposals", ["division_code"])
    op.create_index(op.f("ix_proposals_review_id"), "proposals", ["review_id"])
    op.create_index("proposals_by_state_and_time", "proposals", ["state", "made_at"])
    op.create_index(
        "one_undecided_proposal_for_pattern",
        "proposals",
        ["pattern"],
        unique=True,
        postgresql_where=sa.text("state IN ('draft', 'replayed')"),
    )
    op.create_table(
        "proposal_cases",
        sa.Column("proposal_id", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("division_code", sa.String(), nullable=False),
        sa.Column("unit_id", sa.String(), nullable=True),
        sa.Column("incident_id", sa.String(), nullable=True),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("detail", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(
            ["proposal_id"], ["proposals.id"], name=op.f("fk_proposal_cases_proposal_id_proposals")
        ),
        sa.PrimaryKeyConstraint("proposal_id", "seq", name=op.f("pk_proposal_cases")),
    )
    op.create_index(op.f("ix_proposal_cases_division_code"), "proposal_cases", ["division_code"])
    op.create_index(op.f("ix_proposal_cases_unit_id"), "proposal_cases", ["unit_id"])
    op.create_index("proposal_cases_by_outcome", "proposal_cases", ["proposal_id", "outcome"])


def downgrade() -> None:
    raise NotImplementedError("take back the copy of the database that was made before the upgrade")
