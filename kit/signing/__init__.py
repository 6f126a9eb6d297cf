"""The proof of a run: keys, who may sign as what, the signatures over one statement, and the figures worked out once more."""
