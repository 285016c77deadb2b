"""Tables as people hand them in: Excel workbooks, CSV, JSON lines."""
