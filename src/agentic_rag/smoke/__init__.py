"""Smoke: asks a running server what it must answer, over every door, and says what is broken."""
