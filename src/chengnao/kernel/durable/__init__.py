"""Durable workflows: run by DBOS on the platform's PostgreSQL, taken up by others when their process is gone."""
