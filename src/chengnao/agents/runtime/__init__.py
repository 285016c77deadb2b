"""Runs agents: durably, within limits that no model can move, with a person's approval where something is at stake."""
