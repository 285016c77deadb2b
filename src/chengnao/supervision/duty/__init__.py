"""What a leader on duty has to see to: the list for today, and the urges and their answers."""
