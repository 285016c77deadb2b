"""OGC API Features (17-069r4): core, GeoJSON and OpenAPI, over what the modules offer as collections."""
