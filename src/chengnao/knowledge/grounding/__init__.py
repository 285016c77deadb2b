"""Answers that rest on passages, and nothing else."""
