"""Letters and recorded calls: read by machine into a draft, which a person checks before it becomes a report."""
