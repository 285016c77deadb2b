"""What citizens may do without an account: report, see how it stands, say what they think of the answer."""
