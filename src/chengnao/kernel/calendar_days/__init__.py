"""The city's own days of work and of rest, beside the country's."""
