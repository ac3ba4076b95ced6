"""The clinic: what makes this clinic this clinic is a folder, not code."""
