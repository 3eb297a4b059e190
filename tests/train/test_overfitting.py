"""Overfitting is said in words, and only when it is there."""

from pellucid.train.overfitting import overfitting


def history(*losses: tuple[float, float]) -> list[dict[str, float]]:
    pairs = enumerate(losses, 1)
    return [{"epoch": epoch, "train_loss": train, "validation_loss": valid} for epoch, (train, valid) in pairs]


def test_a_rising_validation_loss_over_a_falling_training_loss_overfits():
    words = overfitting(history((0.5, 0.5), (0.3, 0.4), (0.1, 0.6)))
    assert words is not None
    assert "0.6000, up from 0.4000 in epoch 2" in words


def test_a_healthy_run_does_not():
    assert overfitting(history((0.5, 0.5), (0.4, 0.41), (0.35, 0.4))) is None
    assert overfitting(history((0.5, 0.5))) is None
    assert overfitting([]) is None


def test_a_training_loss_above_the_validation_loss_is_not_overfitting():
    assert overfitting(history((0.9, 0.2), (0.8, 0.3))) is None
