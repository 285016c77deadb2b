"""Models, their versions and aliases, how much each is used and whether its input drifts."""
