"""Steps: each does one thing to an adapter, again and again to the same end."""
