"""A run under way: the directory of an attempt, the server's life, the rounds in their order, and going on after an interruption."""
