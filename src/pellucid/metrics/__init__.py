"""Metrics: one value for each image, label or text; the caller averages them.

An image metric takes `(image, reference, data_range=1.0)`, floats of shape (N, C, H, W); a label metric takes
`(probabilities, labels)`, shapes (N, K) and (N,); a text metric takes `(texts, references)`, N strings each. Each class
has its `kind`, whether `higher_is_better`, and the `ideal` value of a perfect output.
"""
