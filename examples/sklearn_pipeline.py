"""Read noisy digits with a denoising autoencoder in front of a scikit-learn classifier.

The denoiser and the classifier are fitted on clean digits alone; only the digits that are read are noisy.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from pellucid import DenoisingAutoencoder

SIGMA = 0.5


def main() -> None:
    """Print the accuracy on clean and on noisy digits, without and with the denoiser, and that of its codes."""
    images, labels = load_digits(return_X_y=True)
    train, test, train_labels, test_labels = train_test_split(images / 16, labels, random_state=0)
    noise = SIGMA * np.random.default_rng(0).standard_normal(np.shape(test))
    noisy = np.clip(test + noise, 0, 1)

    denoiser = DenoisingAutoencoder(
        widths=(128,),
        noise=f"gaussian(sigma={SIGMA})",
        clip=True,
        scaling="global",
        epochs=120,
        batch_size=64,
        lr=0.003,
        random_state=0,
    )
    alone = LogisticRegression(max_iter=1000).fit(train, train_labels)
    denoised = make_pipeline(denoiser, LogisticRegression(max_iter=1000)).fit(train, train_labels)
    on_codes = LogisticRegression(max_iter=1000).fit(denoiser.encode(train), train_labels)

    print(f"clean digits, classifier alone:         {alone.score(test, test_labels):.1%}")
    print(f"noisy digits, classifier alone:         {alone.score(noisy, test_labels):.1%}")
    print(f"noisy digits, denoiser and classifier:  {denoised.score(noisy, test_labels):.1%}")
    print(f"noisy digits, classifier on the codes:  {on_codes.score(denoiser.encode(noisy), test_labels):.1%}")


if __name__ == "__main__":
    main()
