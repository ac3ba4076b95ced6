"""Settings to parts: the only place that picks concrete ones."""
