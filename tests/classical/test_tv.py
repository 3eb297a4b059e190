import numpy as np

from pellucid.classical.tv import TV


def energy(image, noisy, weight):
    """Rudin, Osher and Fatemi's functional in Chambolle's discretisation, for (H, W)."""
    down = np.diff(image, axis=0, append=image[-1:])
    right = np.diff(image, axis=1, append=image[:, -1:])
    return np.hypot(down, right).sum() + np.square(image - noisy).sum() / (2 * weight)


def test_no_nearby_image_has_less_energy(blocks):
    noisy = blocks[0][0, 0].astype(np.float64)
    weight = 0.2
    best = TV(weight)(noisy[None, None].astype(np.float32))[0, 0].astype(np.float64)
    rng = np.random.default_rng(0)
    others = [best + 0.02 * rng.standard_normal(best.shape) for _ in range(20)]
    others += [noisy, 0.9 * best + 0.1 * noisy, 0.9 * best + 0.1 * noisy.mean()]
    assert all(energy(best, noisy, weight) < energy(other, noisy, weight) for other in others)


def test_weight_zero_changes_nothing(blocks):
    np.testing.assert_array_equal(TV(0.0)(blocks[0]), blocks[0])
