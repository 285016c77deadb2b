"""Which unit answers for what, and which one gets an incident now."""
