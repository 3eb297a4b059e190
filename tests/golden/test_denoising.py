"""Denoising by fine-tuning on the image, by the scikit-learn estimator and by `pellucid demo`, to the bit."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

import pellucid
from pellucid.image import read_image
from pellucid.inference.zero_shot import TestTimeAdaptation


def scene(channels: int | None, size: int = 72) -> np.ndarray:
    """A smooth scene with edges, float32 in [0, 1]: (size, size) or (size, size, channels)."""
    rows, columns = np.mgrid[:size, :size] / size
    image = 0.45 + 0.3 * np.sin(9 * rows + 4 * columns) + 0.2 * (np.hypot(rows - 0.5, columns - 0.4) < 0.25)
    if channels:
        image = np.stack([image * factor for factor in np.linspace(1, 0.7, channels)], axis=-1)
    return image.astype(np.float32)


def noisy(kind: str) -> tuple[np.ndarray, int | None]:
    random = np.random.default_rng(0)
    if kind == "photons":  # noise that depends on brightness: stabilized before training
        return (random.poisson(scene(None) * 30) / 30).astype(np.float32), None
    if kind == "two channels":
        return scene(2) + 0.1 * random.standard_normal((72, 72, 2)).astype(np.float32), -1
    if kind == "correlated":  # the network trains on the noise that it took out
        noise = random.standard_normal((74, 74))
        return scene(None) + 0.1 * (noise[:-2, :-2] + noise[1:-1, 1:-1] + noise[:-2, 1:-1]).astype(np.float32), None
    return np.clip(scene(3) * 255 + 25 * random.standard_normal((72, 72, 3)), 0, 255).astype(np.uint8), -1


@pytest.mark.parametrize("kind", ["color", "photons", "two channels", "correlated"])
def test_fine_tuning_on_an_image(kind, golden, describe, one_thread):
    image, channel_axis = noisy(kind)
    denoiser = TestTimeAdaptation(steps=4, threads=1, seed=5)
    denoised = denoiser(image, channel_axis=channel_axis)
    golden.check(f"fine-tuning-{kind.replace(' ', '-')}", describe(denoised))


@pytest.mark.parametrize(("engine", "strength"), [("onnxruntime", 1.0), ("onnxruntime", 0.6), ("torch", 0.6)])
def test_the_shipped_network(engine, strength, golden, describe, one_thread):
    denoiser = pellucid.Denoiser.load("photo", engine=engine, threads=1, precision="fp32", tile=256)
    found = {}
    for size in (72, 300):  # 300: in several tiles
        image = scene(3, size) + 0.1 * np.random.default_rng(1).standard_normal((size, size, 3)).astype(np.float32)
        found[f"{size}, known level"] = describe(denoiser(image, 0.1, channel_axis=-1, strength=strength))
        found[f"{size}, estimated level"] = describe(denoiser(image, channel_axis=-1, strength=strength))
        found[f"{size}, gray"] = describe(denoiser(image[..., 0], strength=strength))
    golden.check(f"shipped-{engine}-{strength:g}", found)


def test_the_noise_estimate(golden):
    random, found = np.random.default_rng(2), {}
    for sigma in (0.02, 0.1, 0.3):
        image = scene(3, 160) + sigma * random.standard_normal((160, 160, 3)).astype(np.float32)
        found[f"{sigma}, color"] = float(pellucid.estimate_noise(image, channel_axis=-1))
        found[f"{sigma}, gray"] = float(pellucid.estimate_noise(image[..., 0]))
    golden.check("noise-estimate", found)


def test_the_estimator(golden, describe, one_thread):
    images = load_digits(return_X_y=True)[0][:120]
    found = {}
    for name, options in {
        "gaussian": {},
        "masking": {"noise": "masking(fraction=0.3)", "scaling": "global", "clip": True, "loss": "bce"},
    }.items():
        autoencoder = pellucid.DenoisingAutoencoder((24, 12), epochs=3, batch_size=32, random_state=0, **options)
        autoencoder.fit(images[:100])
        found[name] = {
            "losses": autoencoder.loss_curve_,
            "denoised": describe(autoencoder.transform(images[100:])),
            "denoised32": describe(autoencoder.transform(images[100:].astype(np.float32))),
            "codes": describe(autoencoder.encode(images[100:])),
        }
    golden.check("estimator", found)


def test_the_demonstration(command, golden, describe, tmp_path):
    command("demo", "--out", tmp_path / "demo")
    found = {path.name: path for path in sorted((tmp_path / "demo").glob("*.jpg"))}
    assert len(found) == 2
    golden.check(
        "demo",
        {
            name: {"pixels": describe(read_image(path).pixels), "file": describe(np.fromfile(path, np.uint8))["sha256"]}
            for name, path in found.items()
        },
    )
