"""OpenAI's protocol: the clinic's agent as a model that stock clients can ask."""
