"""A made set of reports for training and for the demonstration. Everything in it is synthetic and says so."""
