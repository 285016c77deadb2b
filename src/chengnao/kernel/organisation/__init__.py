"""Divisions, units and duty rosters of the city."""
