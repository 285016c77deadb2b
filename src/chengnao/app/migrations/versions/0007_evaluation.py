"""evaluation

Revision: 0007, after 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("dispatched_at", "handled_at", "verified_at"):
        op.add_column("incidents", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.add_column("incidents", sa.Column("urged", sa.Integer(), nullable=False, server_default="0"))
    op.alter_column("incidents", "urged", server_default=None)
    op.execute(
        """
        UPDATE incidents AS i SET dispatched_at = t.dispatched_at, urged = t.urged, verified_at = t.verified_at,
          handled_at = CASE WHEN i.state IN ('handled', 'verified', 'closed') THEN t.handled_at END
        FROM (
          SELECT incident_id, count(*) FILTER (WHERE action = 'urge') AS urged,
            min(at) FILTER (WHERE action = 'dispatch') AS dispatched_at,
            max(at) FILTER (WHERE action = 'handle') AS handled_at,
            max(at) FILTER (WHERE action = 'verify') AS verified_at
          FROM incident_timeline GROUP BY incident_id
        ) AS t WHERE t.incident_id = i.id
        """
    )
    # Since the second release an opening tells what the indicators are grouped by, and a return its code.
    op.execute(
        """
        UPDATE incident_timeline AS t SET data = jsonb_build_object(
          'category', i.category, 'division_code', i.division_code, 'desk_code', i.desk_code) || t.data
        FROM incidents AS i WHERE i.id = t.incident_id AND t.action = 'open'
        """
    )
    op.execute(
        """
        UPDATE incident_timeline SET data = jsonb_build_object('reason_code', 'other') || data WHERE action = 'return'
        """
    )
    op.create_index(op.f("ix_incidents_closed_at"), "incidents", ["closed_at"], unique=False)
    op.create_index(
        "incident_reports_by_rating",
        "incident_reports",
        ["rated_at"],
        unique=False,
        postgresql_where=sa.text("rated_at IS NOT NULL"),
    )


def downgrade() -> None:
    raise NotImplementedError("take back the copy of the database that was made before the upgrade")
