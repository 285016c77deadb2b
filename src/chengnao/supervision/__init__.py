"""Supervision of the loop: deadlines that urge by themselves, and the evaluation of units."""
