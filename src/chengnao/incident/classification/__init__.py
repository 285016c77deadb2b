"""Understanding: from a person's words to category, grade, place, time and parties; in doubt it abstains."""
