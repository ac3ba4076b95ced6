"""`python -m agentic_rag` is the command line."""

from agentic_rag.cli import main

if __name__ == "__main__":
    main()
