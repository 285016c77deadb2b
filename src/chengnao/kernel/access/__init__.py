"""Who is asking, and whether they may: sign-in, sessions, tokens of machines, and authorisation."""
