"""Recipe files for trainers that need a GPU: the data, the settings and the command, ready to be carried there."""
