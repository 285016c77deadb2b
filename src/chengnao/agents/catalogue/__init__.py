"""Agents as records: versions that never change, publishing, sharing between units, roll-back, quality."""
