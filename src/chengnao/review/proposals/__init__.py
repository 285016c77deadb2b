"""Changes of the city's own rules: proposed, replayed on past cases, decided by another person, measured."""
