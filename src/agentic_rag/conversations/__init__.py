"""What was said before: the turns of each session, in order, kept in one checkpoint a session."""
