"""Agents and tools across the platform's border: MCP both ways, A2A, behind the same authority and approvals."""
