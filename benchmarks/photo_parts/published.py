"""PSNR in dB as published, for orientation: papers differ by up to 0.12 dB by protocol alone."""

SIGMAS = (15, 25, 50)

# CBM3D and BM3D: Dabov et al., 2007; DnCNN: Zhang et al., TIP 26(7), 2017 (-S: one network per sigma, -B: blind);
# FFDNet: Zhang et al., TIP 27(9), 2018; DRUNet: Zhang et al., TPAMI 44(10), 2022.
PUBLISHED: dict[str, dict[str, tuple[float, float, float]]] = {
    "CBSD68": {
        "CBM3D": (33.52, 30.71, 27.38),
        "DnCNN": (33.90, 31.24, 27.95),
        "FFDNet": (33.87, 31.21, 27.96),
        "DRUNet": (34.30, 31.69, 28.51),
    },
    "BSD68": {
        "BM3D": (31.08, 28.57, 25.60),
        "DnCNN-S": (31.73, 29.23, 26.23),
        "DnCNN-B": (31.60, 29.15, 26.20),
        "FFDNet": (31.63, 29.19, 26.29),
        "DRUNet": (31.91, 29.48, 26.59),
    },
    "Set12": {
        "BM3D": (32.37, 29.97, 26.72),
        "DnCNN-S": (32.86, 30.44, 27.18),
        "DnCNN-B": (32.73, 30.34, 27.14),
        "FFDNet": (32.75, 30.43, 27.32),
        "DRUNet": (33.25, 30.94, 27.90),
    },
}
