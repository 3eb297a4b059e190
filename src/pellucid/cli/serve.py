"""The command that opens the page and answers requests."""

from pathlib import Path
from typing import Annotated, Any

import typer

from pellucid.cli.options import examples
from pellucid.errors import UsageError
from pellucid.server.settings import Settings, default_spool

NEEDED = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")
UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def amount(option: str, text: str) -> int:
    """Read `200M`, `3G`, `1.5M` or `4096`.

    Raises:
        UsageError: for anything else.
    """
    unit = text[-1:] if text[-1:] in UNITS else ""
    try:
        return int(float(text.removesuffix(unit)) * UNITS[unit])
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{option} {text}: give a number, such as 4096, 200M or 3G") from error


def written(number: int) -> str:
    """Return an amount in the largest of the units that leaves it whole, as `amount` reads it."""
    unit = max((unit for unit, size in UNITS.items() if number % size == 0), key=UNITS.__getitem__)
    return f"{number // UNITS[unit]}{unit}"


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(
        "serve",
        short_help="Open a page to clean images on, and answer requests.",
        epilog=examples(
            "pellucid serve",
            "pellucid serve --port 9000 --model photo --model runs/scans/best.onnx",
            "pellucid serve --host 0.0.0.0 --token $(openssl rand -hex 16)",
            "curl -F file=@photo.jpg http://127.0.0.1:8000/v1/denoise -o clean.jpg",
        ),
    )(serve)


def serve(
    host: Annotated[
        str, typer.Option(metavar="HOST", help="The address to listen on; 0.0.0.0 lets other machines in.")
    ] = Settings.host,
    port: Annotated[int, typer.Option(metavar="N", help="Its port; 0 takes any that is free.")] = Settings.port,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help="A denoiser on offer: a shipped one, a file, or self; may stand several times, the first is the usual "
            f"one. By default {', '.join(Settings.models)}.",
        ),
    ] = None,
    classifier: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A classifier on offer, .onnx or .safetensors; may stand several times."),
    ] = None,
    engine: Annotated[
        str, typer.Option(metavar="NAME", help="onnxruntime, openvino, torch, or auto: the fastest for the work.")
    ] = Settings.engine,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            envvar="PELLUCID_TOKEN",
            help="Let in only who shows it. Others see a command's options: set PELLUCID_TOKEN instead.",
        ),
    ] = None,
    spool: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where uploads, results and the list of jobs are kept; by default ~/.local/state/pellucid/spool.",
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(metavar="N", help="Images that are worked on at the same time.")
    ] = Settings.workers,
    threads: Annotated[
        int, typer.Option(metavar="N", help="Of each worker; 0 shares out the cores.")
    ] = Settings.threads,
    memory_limit: Annotated[
        str,
        typer.Option(metavar="BYTES", help="The most memory of a worker, such as 3G: beyond it, an image is refused."),
    ] = written(Settings.memory_limit),
    max_bytes: Annotated[
        str, typer.Option(metavar="BYTES", help="The most of one image, as it is uploaded, such as 200M.")
    ] = written(Settings.max_bytes),
    max_batch_bytes: Annotated[
        str, typer.Option(metavar="BYTES", help="The most of all images of a job together, such as 2G.")
    ] = written(Settings.max_batch_bytes),
    max_pixels: Annotated[
        str, typer.Option(metavar="N", help="The most pixels of one image, all its pages together, such as 100M.")
    ] = written(Settings.max_pixels),
    max_frames: Annotated[
        int, typer.Option(metavar="N", help="The most pages or frames of one image.")
    ] = Settings.max_frames,
    max_text: Annotated[
        str, typer.Option(metavar="BYTES", help="The most text and metadata in one image, unpacked, such as 4M.")
    ] = written(Settings.max_text),
    max_files: Annotated[int, typer.Option(metavar="N", help="The most images of one job.")] = Settings.max_files,
    time_limit: Annotated[
        float, typer.Option(metavar="S", help="The most seconds of work on one image.")
    ] = Settings.time_limit,
    queue_length: Annotated[
        int, typer.Option(metavar="N", help="Images that may wait for a worker; further ones are told to come later.")
    ] = Settings.queue_length,
    max_waiting: Annotated[
        int, typer.Option(metavar="N", help="Images of jobs that may wait, over all jobs.")
    ] = Settings.max_waiting,
    connections: Annotated[int, typer.Option(metavar="N", help="The most clients at once.")] = Settings.connections,
    idle_timeout: Annotated[
        float, typer.Option(metavar="S", help="The most seconds in which a client neither sends nor takes anything.")
    ] = Settings.idle_timeout,
    body_timeout: Annotated[
        float,
        typer.Option(
            metavar="S", help="The most seconds that an upload of --max-bytes may take; a larger one has more."
        ),
    ] = Settings.body_timeout,
    stop_timeout: Annotated[
        float, typer.Option(metavar="S", help="The most seconds that what runs is given on Ctrl-C or SIGTERM.")
    ] = Settings.stop_timeout,
    job_expiry: Annotated[
        float, typer.Option(metavar="S", help="How long a finished job is kept.")
    ] = Settings.job_expiry,
    disk_budget: Annotated[
        str, typer.Option(metavar="BYTES", help="The most of the spool; the oldest finished jobs make room first.")
    ] = written(Settings.disk_budget),
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name that a proxy asks by, if it is neither localhost nor a number."),
    ] = None,
    root_path: Annotated[
        str, typer.Option(metavar="PATH", help="What a proxy cuts off, such as /pellucid.")
    ] = Settings.root_path,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Do not log requests.")] = False,
) -> None:
    """Open a page to clean images on, and answer requests: the same process is an HTTP service.

    Only this machine is listened to, unless --host says otherwise. Images are read, denoised and written in processes
    of their own, which are num_replaced if one fails. Jobs survive a restart. Nothing is sent anywhere.
    """
    from pellucid.utils.optional_imports import import_optional

    for library in NEEDED:
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
        max_bytes=amount("--max-bytes", max_bytes),
        max_batch_bytes=amount("--max-batch-bytes", max_batch_bytes),
        max_pixels=amount("--max-pixels", max_pixels),
        max_frames=max_frames,
        max_text=amount("--max-text", max_text),
        max_files=max_files,
        time_limit=time_limit,
        queue_length=queue_length,
        max_waiting=max_waiting,
        workers=workers,
        threads=threads,
        memory_limit=amount("--memory-limit", memory_limit),
        connections=connections,
        idle_timeout=idle_timeout,
        body_timeout=body_timeout,
        stop_timeout=stop_timeout,
        job_expiry=job_expiry,
        disk_budget=amount("--disk-budget", disk_budget),
        allow_hosts=tuple(allow_host or ()),
        root_path=root_path,
        **models,
    )
    settings.check_memory()
    asyncio.run(run(settings, _tell, quiet))


def _tell(address: str) -> None:
    typer.echo(f"Pellucid is at {address} (Ctrl-C stops it)", err=True)
