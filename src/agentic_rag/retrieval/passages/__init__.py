"""From files to passages: every format, along its own structure, losing no text."""
