"""OGC SensorThings API 1.1 (18-088): things are devices, observations are readings."""
