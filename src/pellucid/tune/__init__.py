"""Find better values for a recipe's keys: train it again and again for a short while, each time with others."""
