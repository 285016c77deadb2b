"""The recipes that come with the platform's own models; other modules register theirs."""
