"""Networks for the user's own images: analyze folders, choose a recipe, train, evaluate and report."""
