"""Review of what went wrong, and the changes that follow: proposed, replayed on past cases, decided, measured."""
