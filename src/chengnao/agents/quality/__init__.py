"""How agents are used, and how well they do."""
