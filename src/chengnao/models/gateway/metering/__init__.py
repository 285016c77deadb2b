"""What calls cost: reserved before, settled after, metered with it; and what was said, sealed for a while."""
