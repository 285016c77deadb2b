"""Events out: CloudEvents 1.0 to whoever subscribes, by webhook and on a subject of the bus."""
