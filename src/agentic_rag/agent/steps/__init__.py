"""The steps of the journey; each a verb, none knows another."""
