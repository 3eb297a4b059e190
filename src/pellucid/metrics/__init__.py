"""Metrics: one value per image, label or text, never averaged here, so that averaging is visible where it happens.

An image metric takes `(image, reference, data_range=1.0)`, floats of shape (N, C, H, W); a label metric takes
`(probabilities, labels)`, shapes (N, K) and (N,); a text metric takes `(texts, references)`, N strings each. Each class
says its `kind`, whether `higher_is_better`, and the `ideal` value, which a perfect output gets.
"""
