"""Training jobs: persisted, one at a time on a machine, cancelled and resumed, their results registered."""
