"""Thinking: the way from a question to a proven answer."""
