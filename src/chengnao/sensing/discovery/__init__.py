"""Devices that knock and are not registered: who they are, what they may be, and how they are let in."""
