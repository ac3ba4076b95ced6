"""From a folder to an index version: read, embedded, proven, switched to."""
