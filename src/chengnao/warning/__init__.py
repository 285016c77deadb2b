"""Thresholds over readings: warnings that open once, change, and clear; and faults of the devices themselves."""
