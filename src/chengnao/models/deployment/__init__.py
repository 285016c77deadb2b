"""Models that run here: processes of their own, kept as the database wants them."""
