"""Quality against time, as a picture."""

from pathlib import Path

from photo_parts.tables import LeftOut, Table


def quality_against_time(table: Table, names: tuple[str, ...], path: Path) -> None:
    """Draw the PSNR over the seconds of each denoiser of the table on speed.

    Args:
        table: its first headings are `denoiser`, `PSNR` and `s`.
        names: the networks of Pellucid, which stand out.
        path: the picture's file, such as a PNG.

    Raises:
        LeftOut: if matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise LeftOut("the picture: matplotlib is not installed") from error
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for denoiser, psnr, seconds, *_ in table.rows:
        own = denoiser.partition(",")[0] in names
        colour = "tab:blue" if own else "dimgray"
        axes.plot(seconds, psnr, marker="o" if own else "s", color=colour)
        axes.annotate(denoiser, (seconds, psnr), xytext=(6, 4), textcoords="offset points", fontsize=8, color=colour)
    axes.set_xscale("log")
    axes.margins(x=0.18, y=0.12)
    axes.set_xlabel("seconds for an image (median), left is faster")
    axes.set_ylabel("PSNR in dB, up is better")
    axes.set_title(table.title, fontsize=10)
    axes.grid(visible=True, which="both", alpha=0.25)
    figure.savefig(path, dpi=150)
