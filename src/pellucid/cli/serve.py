"""pellucid serve: the HTTP service and its page."""

from pathlib import Path
from typing import Annotated, Any

import typer

from pellucid.cli.options import examples
from pellucid.errors import UsageError
from pellucid.server.settings import Settings, default_spool

LIBRARIES = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")
UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def parse_size(option: str, text: str) -> int:
    """Parse `200M`, `3G`, `1.5M` or `4096`.

    Raises:
        UsageError: for anything else.
    """
    unit = text[-1:] if text[-1:] in UNITS else ""
    try:
        return int(float(text.removesuffix(unit)) * UNITS[unit])
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{option} {text}: give a number, such as 4096, 200M or 3G") from error


def format_size(number: int) -> str:
    """Return a number in the largest unit that leaves it whole, as `parse_size` takes it."""
    unit = max((unit for unit, size in UNITS.items() if number % size == 0), key=UNITS.__getitem__)
    return f"{number // UNITS[unit]}{unit}"


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(
        "serve",
        short_help="Run the HTTP service with its page.",
        epilog=examples(
            "pellucid serve",
            "pellucid serve --port 9000 --model photo --model runs/scans/best.onnx",
            "pellucid serve --host 0.0.0.0 --token $(openssl rand -hex 16)",
            "curl -F file=@photo.jpg http://127.0.0.1:8000/v1/denoise -o clean.jpg",
        ),
    )(serve)


def serve(
    host: Annotated[
        str, typer.Option(metavar="HOST", help="The address to listen on; 0.0.0.0 also admits other machines.")
    ] = Settings.host,
    port: Annotated[int, typer.Option(metavar="N", help="The port; 0 takes any free one.")] = Settings.port,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help="An available denoiser: a shipped one, a file, or self; may be given several times, the first is the "
            f"default. By default {', '.join(Settings.models)}.",
        ),
    ] = None,
    classifier: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="An available classifier, a file; may be given several times."),
    ] = None,
    engine: Annotated[
        str, typer.Option(metavar="NAME", help="onnxruntime, openvino, torch, or auto: the fastest.")
    ] = Settings.engine,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            envvar="PELLUCID_TOKEN",
            help="Require this token. Other users see a command's options: set PELLUCID_TOKEN instead.",
        ),
    ] = None,
    spool: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The folder of uploads, results and jobs; by default ~/.local/state/pellucid/spool.",
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(metavar="N", help="Images that are processed at the same time.")
    ] = Settings.workers,
    threads: Annotated[
        int, typer.Option(metavar="N", help="CPU threads of each worker; 0 divides the cores.")
    ] = Settings.threads,
    memory_limit: Annotated[
        str,
        typer.Option(metavar="BYTES", help="The memory limit of a worker, such as 3G; an image that needs more fails."),
    ] = format_size(Settings.memory_limit),
    max_bytes: Annotated[
        str, typer.Option(metavar="BYTES", help="The maximum size of one uploaded image, such as 200M.")
    ] = format_size(Settings.max_bytes),
    max_batch_bytes: Annotated[
        str, typer.Option(metavar="BYTES", help="The maximum size of all images of a job together, such as 2G.")
    ] = format_size(Settings.max_batch_bytes),
    max_pixels: Annotated[
        str,
        typer.Option(metavar="N", help="The maximum number of pixels of one image, such as 100M."),
    ] = format_size(Settings.max_pixels),
    max_frames: Annotated[
        int, typer.Option(metavar="N", help="The maximum number of pages or frames of one image.")
    ] = Settings.max_frames,
    max_text: Annotated[
        str,
        typer.Option(metavar="BYTES", help="The maximum size of text and metadata in one image, such as 4M."),
    ] = format_size(Settings.max_text),
    max_files: Annotated[int, typer.Option(metavar="N", help="The maximum images of one job.")] = Settings.max_files,
    time_limit: Annotated[
        float, typer.Option(metavar="S", help="The maximum seconds of work on one image.")
    ] = Settings.time_limit,
    queue_length: Annotated[
        int, typer.Option(metavar="N", help="Images that may wait for a worker; further ones are refused.")
    ] = Settings.queue_length,
    max_waiting: Annotated[
        int, typer.Option(metavar="N", help="Images that may wait, of all jobs together.")
    ] = Settings.max_waiting,
    connections: Annotated[int, typer.Option(metavar="N", help="The maximum clients at once.")] = Settings.connections,
    idle_timeout: Annotated[
        float, typer.Option(metavar="S", help="The maximum seconds in which a client neither sends nor receives.")
    ] = Settings.idle_timeout,
    body_timeout: Annotated[
        float,
        typer.Option(metavar="S", help="The maximum seconds for an upload of --max-bytes; larger ones have longer."),
    ] = Settings.body_timeout,
    stop_timeout: Annotated[
        float, typer.Option(metavar="S", help="The maximum seconds that running work has after Ctrl-C or SIGTERM.")
    ] = Settings.stop_timeout,
    job_expiry: Annotated[
        float, typer.Option(metavar="S", help="How many seconds a finished job is kept.")
    ] = Settings.job_expiry,
    disk_budget: Annotated[
        str,
        typer.Option(metavar="BYTES", help="The maximum size of the spool; the oldest jobs are deleted first."),
    ] = format_size(Settings.disk_budget),
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A host name that a proxy sends, if it is neither localhost nor an IP address."
        ),
    ] = None,
    root_path: Annotated[
        str, typer.Option(metavar="PATH", help="The path prefix that a proxy removes, such as /pellucid.")
    ] = Settings.root_path,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Do not log requests.")] = False,
) -> None:
    """Run the HTTP service with its page.

    By default it serves only this machine; see --host. Separate processes read, denoise and write the images; a failed
    process is replaced. Jobs survive a restart. Nothing is sent anywhere.
    """
    from pellucid.utils.optional_imports import import_optional

    for library in LIBRARIES:
        import_optional(library, "server", "pellucid serve")

    import asyncio

    from pellucid.server.main import serve as run

    models: dict[str, Any] = {"models": tuple(model)} if model else {}
    settings = Settings(
        host=host,
        port=port,
        spool=spool or default_spool(),
        classifiers=tuple(classifier or ()),
        engine=engine,
        token=token,
        max_bytes=parse_size("--max-bytes", max_bytes),
        max_batch_bytes=parse_size("--max-batch-bytes", max_batch_bytes),
        max_pixels=parse_size("--max-pixels", max_pixels),
        max_frames=max_frames,
        max_text=parse_size("--max-text", max_text),
        max_files=max_files,
        time_limit=time_limit,
        queue_length=queue_length,
        max_waiting=max_waiting,
        workers=workers,
        threads=threads,
        memory_limit=parse_size("--memory-limit", memory_limit),
        connections=connections,
        idle_timeout=idle_timeout,
        body_timeout=body_timeout,
        stop_timeout=stop_timeout,
        job_expiry=job_expiry,
        disk_budget=parse_size("--disk-budget", disk_budget),
        allow_hosts=tuple(allow_host or ()),
        root_path=root_path,
        **models,
    )
    settings.check_memory()
    asyncio.run(run(settings, _print_address, quiet))


def _print_address(address: str) -> None:
    typer.echo(f"Pellucid is at {address} (Ctrl-C stops it)", err=True)
