"""The time limits that the city has set instead of the platform's."""
