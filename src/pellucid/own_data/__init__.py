"""Networks for one's own images: look at folders, choose how to train, train, measure and report."""
