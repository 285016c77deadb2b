"""Commands to devices: asked for, approved where they act on the world, sent, answered; each step on record."""
