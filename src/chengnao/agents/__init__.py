"""Agents: defined by a YAML file each, run durably, with tools, approvals and traces."""
