"""The built console: static files that the web process serves. Their source is in `web/`."""
