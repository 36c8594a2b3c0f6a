"""The command line: each command parses, makes one call, and prints what came of it."""
