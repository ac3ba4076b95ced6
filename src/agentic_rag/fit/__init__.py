"""Fit: works out whether a model fits on a GPU under vLLM, and the flags it needs there."""
