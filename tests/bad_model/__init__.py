"""A language model that misbehaves on purpose, and what is needed to count what comes of it."""
