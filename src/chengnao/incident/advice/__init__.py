"""What helps people with incidents and never acts: finding, category, unit, what helped before, a drafted answer."""
