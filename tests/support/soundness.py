"""What must hold of all incidents, tasks and reports at any moment, asked of the database by plain SQL."""

import psycopg

CHECKS = {
    "a report without an incident that lives": """
        SELECT r.tracking_number FROM incident_reports r JOIN incidents i ON i.id = r.incident_id
        WHERE i.state = 'merged'""",
    "a timeline with a gap, or of another length than the version": """
        SELECT i.number FROM incidents i LEFT JOIN incident_timeline t ON t.incident_id = i.id
        GROUP BY i.id HAVING count(t.seq) <> i.version OR max(t.seq) <> i.version OR min(t.seq) <> 1""",
    "a state that the timeline does not end in": """
        SELECT i.number FROM incidents i JOIN incident_timeline t ON t.incident_id = i.id AND t.seq = i.version
        WHERE t.to_state <> i.state""",
    "a step that does not begin where the one before ended": """
        SELECT i.number FROM incident_timeline t
        JOIN incident_timeline b ON b.incident_id = t.incident_id AND b.seq = t.seq - 1
        JOIN incidents i ON i.id = t.incident_id WHERE b.to_state <> t.from_state""",
    "an open incident without a deadline": """
        SELECT number FROM incidents WHERE due_at IS NULL AND state NOT IN ('closed', 'dismissed', 'merged')""",
    "an ended incident with a deadline": """
        SELECT number FROM incidents WHERE due_at IS NOT NULL AND state IN ('closed', 'dismissed', 'merged')""",
    "an incident with a unit that has no task for it, or two": """
        SELECT i.number FROM incidents i LEFT JOIN incident_tasks t ON t.incident_id = i.id AND t.role = 'lead'
          AND t.withdrawn_at IS NULL AND t.unit_id = i.unit_id AND t.state IN ('dispatched', 'accepted', 'suspended')
        WHERE i.state IN ('dispatched', 'accepted', 'suspended')
        GROUP BY i.id HAVING count(t.id) <> 1 OR min(t.state) <> i.state""",
    "a task in work of an incident that no unit works on": """
        SELECT i.number FROM incidents i JOIN incident_tasks t ON t.incident_id = i.id AND t.withdrawn_at IS NULL
          AND t.state IN ('dispatched', 'accepted', 'suspended')
        WHERE i.state NOT IN ('dispatched', 'accepted', 'suspended')""",
    "an ended incident whose reporter has no answer": """
        SELECT r.tracking_number FROM incident_reports r JOIN incidents i ON i.id = r.incident_id
        WHERE i.state IN ('closed', 'dismissed') AND r.answer IS NULL""",
    "an answer to a report of an incident that is open": """
        SELECT r.tracking_number FROM incident_reports r JOIN incidents i ON i.id = r.incident_id
        WHERE i.state NOT IN ('closed', 'dismissed') AND r.answer IS NOT NULL""",
    "a merged incident that leads to none, or in a circle": """
        SELECT i.number FROM incidents i LEFT JOIN incidents a ON a.id = i.merged_into
        WHERE i.state = 'merged' AND (a.id IS NULL OR a.state = 'merged')""",
    "a report opened two incidents": """
        SELECT source_key FROM incidents WHERE source_key IS NOT NULL GROUP BY source_key HAVING count(*) > 1""",
    "an event that tells of another state than the log": """
        SELECT o.envelope ->> 'subject' FROM outbox o
        JOIN incident_timeline t ON t.incident_id = o.envelope ->> 'subject'
          AND t.seq = (o.envelope -> 'data' ->> 'version')::int
        WHERE o.envelope ->> 'type' = 'incident.changed' AND t.to_state <> o.envelope -> 'data' ->> 'state'""",
}


def unsound(url: str) -> dict[str, list[str]]:
    """What does not hold, with the numbers it does not hold for."""
    found = {}
    with psycopg.connect(url) as connection:
        for name, query in CHECKS.items():
            if rows := [row[0] for row in connection.execute(query)]:
                found[name] = rows
    return found
