"""Questions with known answers, over texts that were written for them."""
