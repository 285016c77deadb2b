"""Field protocols: one module each, pure functions from bytes to typed frames and back."""
