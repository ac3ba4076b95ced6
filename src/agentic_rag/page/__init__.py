"""The page for people: a chat before the server's public doors, in a process of its own."""
