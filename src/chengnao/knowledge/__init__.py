"""Knowledge: documents, passages, search, and answers whose every sentence names its source."""
