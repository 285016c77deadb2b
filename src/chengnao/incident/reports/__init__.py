"""Reports: what people tell, by whatever channel, and the answer that each of them gets."""
