"""Property tests are the same on every run, take the time they need and leave nothing behind."""

from hypothesis import settings

settings.register_profile("house", derandomize=True, database=None, deadline=None, max_examples=60)
settings.load_profile("house")
