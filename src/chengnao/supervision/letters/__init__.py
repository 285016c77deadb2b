"""The weekly letter of supervision (督办函): what a unit, or all of a division, left undone in a week."""
