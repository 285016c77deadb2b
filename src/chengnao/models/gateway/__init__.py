"""The model gateway: OpenAI-compatible, routes by capability, budgets that stay exact, metering, keys, retention."""
