"""The LLM behind, which may be asleep: the ladder and its rungs."""
