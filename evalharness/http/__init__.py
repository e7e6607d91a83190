"""What calls to an endpoint need, whoever makes them: places, budgets, retries, and a key that stays secret."""
