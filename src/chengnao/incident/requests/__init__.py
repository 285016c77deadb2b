"""A unit asks for more time, or to wait; the desk, or the tier above it, decides."""
