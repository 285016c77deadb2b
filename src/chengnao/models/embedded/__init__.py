"""Small models that packages carry: each loads at its first use, and says what to do where it is not installed."""
