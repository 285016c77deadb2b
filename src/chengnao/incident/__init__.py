"""Incidents: how they are opened, dispatched, handled, verified and closed."""
