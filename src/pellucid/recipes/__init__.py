"""Recipes: TOML files that name everything an experiment needs, and the code that reads and checks them."""
