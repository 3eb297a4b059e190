"""Reproduction: recipes trained, measured and reported side by side, or one checkpoint measured as an entry."""
