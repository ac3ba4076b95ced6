"""A model's service that sleeps at zero: an activator, and the server that it starts."""
