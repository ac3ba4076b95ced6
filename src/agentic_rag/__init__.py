"""A clinic's documents, answered with proof: a LangGraph agent served by KServe."""

__version__ = "0.1.0"
