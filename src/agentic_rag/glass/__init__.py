"""Glass walls: what those who look after the agent can see of it, and none of it in its way."""
