"""Open interfaces over devices and readings: OGC SensorThings and OGC API Features."""
