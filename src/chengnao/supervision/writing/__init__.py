"""Drafts of reports and comparisons of options: every figure is reckoned by code, a person reads, mends and sends."""
