"""Files into text: what a document says, block by block."""
