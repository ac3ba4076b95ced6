"""From texts to vectors: one embedder, with or without torch."""
