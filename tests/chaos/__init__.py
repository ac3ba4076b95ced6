"""A model's server that fails in every way we could think of, and what the agent makes of it."""
