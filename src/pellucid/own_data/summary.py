"""What was found in the folders, in words."""

from collections import Counter
from collections.abc import Sequence

from pellucid.own_data.analysis import Findings
from pellucid.own_data.noise_statistics import NoiseKind

KINDS = {"pairs": "pair", "clean": "clean image", "noisy": "noisy image", "takes": "pair of noisy takes"}
DEPTHS = {"uint8": "8 bits", "uint16": "16 bits", "float32": "floating point"}
AXES = {
    "none": "independent from pixel to pixel",
    "rows": "correlated from left to right",
    "columns": "correlated from top to bottom",
    "both": "correlated from pixel to pixel in all directions",
}
SHOWN = 5
SHIFT = 0.02
IN_PIXELS = 255


def found(findings: Findings) -> list[str]:
    """Say what the folders hold, what noise it has and what is held out, a line each."""
    names = " and ".join(str(folder) for folder in findings.sources.folders)
    used = findings.used
    pages = sum(one.pages for one in used)
    parts = [
        f"{len(used):,} {KINDS[findings.sources.kind]}{'' if len(used) == 1 else 's'} in {names}",
        *([f"{pages:,} pages in all"] if pages > len(used) else []),
        sizes([(one.width, one.height) for one in used]),
        {1: "gray", 3: "colour"}.get(findings.channels, f"{findings.channels} channels"),
        f"{DEPTHS[findings.dtype]}, white at {findings.white:g}",
    ]
    return [", ".join(parts), noise(findings), held_out(findings)]


def remarks(findings: Findings) -> list[str]:
    """Say what the user should know and may want to mend, a line each."""
    lines = []
    if findings.look.swapped:
        noisy, clean = findings.sources.folders
        lines.append(f"the images in {clean} are noisier than those in {noisy}: are --noisy and --clean swapped?")
    total = len(findings.used) + len(findings.left_out)
    if findings.left_out:
        lines.append(f"{len(findings.used):,} of {total:,} used, {len(findings.left_out):,} left out:")
        lines += [f"  {one.why}" for one in findings.left_out[:SHOWN]]
        if len(findings.left_out) > SHOWN:
            lines.append(f"  and {len(findings.left_out) - SHOWN:,} more, in files.json")
    if findings.alone:
        first, *rest = findings.alone
        others = f" and {len(rest):,} others" if rest else ""
        lines.append(f"{first}{others} not matched: no file in the other folder has that name")
    if findings.unread:
        lines.append(f"{findings.unread:,} more images were not read: what was chosen at random is enough to train on")
    if findings.channels > 1 and (gray := sum(one.channels == 1 for one in findings.used)):
        lines.append(f"{gray:,} gray images are shown in {findings.channels} channels")
    if findings.look.stretched:
        lines.append("their contrast was stretched to the peaks of their noise: what is denoised is stretched alike")
    if findings.is_alone:
        lines.append("all is of one group: what is held out is trained on as well, so its figures flatter")
    return lines


def sizes(all_sizes: Sequence[tuple[int, int]]) -> str:
    """Return `512x512`, or `180x180 to 1200x900` by area; the sizes are (width, height)."""
    found = sorted(set(all_sizes), key=lambda size: (size[0] * size[1], size))
    texts = [f"{width}x{height}" for width, height in found]
    return " and ".join(texts) if len(texts) < 3 else f"{texts[0]} to {texts[-1]}"


def noise(findings: Findings) -> str:
    """Say how strong the noise is and of what kind, levels for white at 255."""
    kind = findings.noise
    parts = [f"noise of {_level(kind.level)} (white being 255)"]
    if kind.most > 1.2 * kind.least:
        parts[0] += f", {_level(kind.least)} to {_level(kind.most)} from image to image"
    if abs(kind.shift) > SHIFT:
        parts.append(f"{_level(abs(kind.shift))} {'brighter' if kind.shift > 0 else 'darker'} than the clean images")
    if kind.impulses:
        parts.append(f"{kind.impulses:.1%} of the pixels are black or white dots")
    parts += [_correlation(kind), _dependence(kind)]
    told = ", ".join(part for part in parts if part)
    return told + (" (as far as noisy images tell)" if findings.sources.kind == "noisy" else "")


def held_out(findings: Findings) -> str:
    """Say what is held out, and by what it is grouped."""
    counts = Counter(findings.groups)
    images = sum(counts[group] for group in findings.validation)
    groups = len(findings.validation)
    by = "whole groups" if len(counts) < len(findings.used) else "images"
    grouped = f", {groups} of {len(counts)} groups" if by == "whole groups" else ""
    return f"{images:,} of {len(findings.used):,} images are held out{grouped}; all figures are taken on them"


def _correlation(kind: NoiseKind) -> str:
    reach = max(kind.reach)
    return AXES[kind.axis] + (f" (over {reach} pixel{'' if reach == 1 else 's'})" if kind.axis != "none" else "")


def _dependence(kind: NoiseKind) -> str:
    if not kind.depends:
        return "alike in dark and bright"
    return f"{_level(kind.dark)} where it is dark and {_level(kind.bright)} where it is bright"


def _level(level: float) -> str:
    return f"{IN_PIXELS * level:.3g}"
