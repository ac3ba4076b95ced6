"""Keys: who is let in, what they may do, and how much of it."""
