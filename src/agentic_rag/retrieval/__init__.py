"""The library: the documents, cut into passages and found again."""
