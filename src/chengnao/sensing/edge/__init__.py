"""The edge gateway: beside the devices, with a disk of its own and two lines to the centre; and its centre side."""
