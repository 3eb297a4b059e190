"""A plot of quality against time."""

from pathlib import Path

from photo_parts.tables import PartSkipped, Table


def quality_against_time(table: Table, names: tuple[str, ...], path: Path) -> None:
    """Draw the PSNR over the seconds of each denoiser of the table on speed.

    Args:
        table: its first headings are `denoiser`, `PSNR` and `s`.
        names: the networks of Pellucid, which are highlighted.
        path: the image file, such as a PNG.

    Raises:
        PartSkipped: if matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise PartSkipped("the plot: matplotlib is not installed") from error
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for denoiser, psnr, seconds, *_ in table.rows:
        own = denoiser.partition(",")[0] in names
        color = "tab:blue" if own else "dimgray"
        axes.plot(seconds, psnr, marker="o" if own else "s", color=color)
        # Slanted, so that labels of neighbors at one height do not cover each other.
        style = {"fontsize": 7, "rotation": 35, "color": color}
        axes.annotate(denoiser, (seconds, psnr), xytext=(3, 4), textcoords="offset points", **style)
    axes.set_xscale("log")
    axes.margins(x=0.12, y=0.3)
    axes.set_xlabel("seconds for an image (median), left is faster")
    axes.set_ylabel("PSNR in dB, up is better")
    axes.set_title(table.title, fontsize=10)
    axes.grid(visible=True, which="both", alpha=0.25)
    figure.savefig(path, dpi=150)
