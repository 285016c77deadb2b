"""Evaluating agents: sets of cases, runs over them, and whether one version is better than another."""
