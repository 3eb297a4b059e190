"""The Keras side of training_speed.py, which starts it in the peer's own virtual environment.

Usage: keras_peer.py SPECIFICATION, a JSON object with `case`, `precision` ("float32" or "mixed_bfloat16"), `threads`
and `images`, an .npy file of uint8 (N, 28, 28). It writes one line of JSON when it is ready, and one for each line
that it then reads: the number of batches of a training epoch that `model.fit` is to time.
"""

import json
import os
import resource
import sys
import time

import numpy as np

SPECIFICATION = json.loads(sys.argv[1])
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, SPECIFICATION["cores"])
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras  # noqa: E402
import tensorflow  # noqa: E402
from keras import layers  # noqa: E402


def dense_uniform() -> keras.Model:
    """784 -> 64 -> 784, as in P. Jaiswal's tutorial."""
    image = keras.Input((784,))
    code = layers.Dense(64, activation="relu")(image)
    denoised = layers.Activation("sigmoid", dtype="float32")(layers.Dense(784)(code))
    return compiled(keras.Model(image, denoised), "binary_crossentropy")


def conv_upsample() -> keras.Model:
    """Three convolutions with pooling, three after a nearest resize to the sizes on the way down."""
    value = image = keras.Input((28, 28, 1))
    for width in (64, 64, 32):
        value = layers.Conv2D(width, 3, padding="same", activation="relu")(value)
        value = layers.MaxPooling2D(2, padding="same")(value)
    for side, width in ((7, 32), (14, 64), (28, 64)):
        value = layers.Resizing(side, side, interpolation="nearest")(value)
        value = layers.Conv2D(width, 3, padding="same", activation="relu")(value)
    logits = layers.Activation("linear", dtype="float32")(layers.Conv2D(1, 3, padding="same")(value))
    return compiled(keras.Model(image, logits), keras.losses.BinaryCrossentropy(from_logits=True))


def conv_pool() -> keras.Model:
    """Two convolutions with pooling, two with upsampling after them, as in Omdena's article."""
    value = image = keras.Input((28, 28, 1))
    for _ in range(2):
        value = layers.Conv2D(32, 3, padding="same", activation="relu")(value)
        value = layers.MaxPooling2D(2, padding="same")(value)
    for _ in range(2):
        value = layers.Conv2D(32, 3, padding="same", activation="relu")(value)
        value = layers.UpSampling2D(2)(value)
    denoised = layers.Activation("sigmoid", dtype="float32")(layers.Conv2D(1, 3, padding="same")(value))
    return compiled(keras.Model(image, denoised), "binary_crossentropy")


def compiled(model: keras.Model, loss: str | keras.losses.Loss) -> keras.Model:
    """Return the model ready for `fit`, with Adam at its default rate of 0.001."""
    model.compile(optimizer="adam", loss=loss)
    return model


class Clock(keras.callbacks.Callback):
    """Adds up the time, and the processor's time, between the start and the end of each epoch."""

    def __init__(self) -> None:
        """Start at 0 seconds."""
        super().__init__()
        self.seconds = self.busy = 0.0
        self.start_times = (0.0, 0.0)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Record the times."""
        self.start_times = time.perf_counter(), time.process_time()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Add the time since the beginning."""
        self.seconds += time.perf_counter() - self.start_times[0]
        self.busy += time.process_time() - self.start_times[1]


def main() -> None:
    """Build the network, run one batch to trace it, and time the requested batches."""
    threads = SPECIFICATION["threads"]
    tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
    tensorflow.config.threading.set_inter_op_parallelism_threads(threads)
    keras.mixed_precision.set_global_policy(SPECIFICATION["precision"])
    keras.utils.set_random_seed(0)
    case, batch = SPECIFICATION["case"], SPECIFICATION["batch"]
    clean = np.load(SPECIFICATION["images"])[: SPECIFICATION["epoch"]].astype(np.float32) / 255
    clean = clean.reshape(len(clean), -1) if case == "dense-uniform" else clean[..., None]
    rng = np.random.default_rng(0)
    noisy = np.empty_like(clean)
    for start in range(0, len(clean), 4096):
        part = slice(start, start + 4096)
        if case == "dense-uniform":
            noise = 0.9 * rng.random(clean[part].shape, np.float32)
        else:
            noise = 0.5 * rng.standard_normal(clean[part].shape, np.float32)
        noisy[part] = np.clip(clean[part] + noise, 0, 1)
    models = {"dense-uniform": dense_uniform, "conv-upsample": conv_upsample, "conv-pool": conv_pool}
    model = models[case]()
    model.fit(noisy[:batch], clean[:batch], batch_size=batch, epochs=1, verbose=0)
    answer(ready=True, parameters=model.count_params())
    for line in sys.stdin:
        samples = batch * int(line)
        clock = Clock()
        epochs = max(1, samples // len(clean))
        count = min(samples, len(clean) // batch * batch)
        fitted = model.fit(
            noisy[:count], clean[:count], batch_size=batch, epochs=epochs, shuffle=True, verbose=0, callbacks=[clock]
        )
        unit = 2**20 if sys.platform == "darwin" else 2**10
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
        loss = float(fitted.history["loss"][-1])
        samples = count * epochs
        answer(rate=samples / clock.seconds, busy_rate=samples / clock.busy, loss=loss, memory=memory)


def answer(**values: float) -> None:
    """Write one line of JSON."""
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main()
