"""Open311 GeoReport v2 at the edge: other cities' apps and clients report here and see what became of it."""
