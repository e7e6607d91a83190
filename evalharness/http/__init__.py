"""Calls to OpenAI-compatible endpoints: concurrency, budgets, retries, and keys that are kept out of all output."""
