"""Personal details: found in texts, masked for those who do not need them, kept sealed for those who do."""
