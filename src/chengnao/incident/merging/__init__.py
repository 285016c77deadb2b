"""Reports and incidents that are about one matter: found, joined, taken apart again."""
