"""Devices registered by the file: Excel, CSV, JSON lines."""
