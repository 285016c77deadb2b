"""Chengnao 城脑: a city governance platform, from a reading or a report to a solved incident."""
