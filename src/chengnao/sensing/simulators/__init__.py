"""Devices that speak the protocols of the field over real sockets, for tests, trials and the demonstration city."""
