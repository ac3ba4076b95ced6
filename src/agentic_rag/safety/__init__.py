"""Pure functions that thinking leans on."""
