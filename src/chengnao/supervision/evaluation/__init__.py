"""Evaluation (监督评价): indicators defined as data, computed for any group and period, each traceable to its cases."""
