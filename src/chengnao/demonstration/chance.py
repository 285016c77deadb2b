"""Chance that repeats: the same parts give the same draws in every process."""

import random


def seeded(*parts: object) -> random.Random:
    """A generator for the named thing alone, so that drawing for one never moves the draws of another."""
    return random.Random("-".join(map(str, parts)))  # noqa: S311 -- a simulation, no secret
