"""Reports and cases of other systems, taken over from files: CSV, Excel, JSON lines."""
