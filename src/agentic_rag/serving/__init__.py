"""The doors: they translate between protocols and the agent."""
