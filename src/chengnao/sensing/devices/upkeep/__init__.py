"""What people do to devices: the upkeep log, and the secrets that devices show."""
