"""The web process: the modules' routes, the live stream and the console under one address."""
