"""pellucid list: the names of all components, without importing heavy libraries."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from pellucid.cli.console import CommandOutput
from pellucid.cli.options import JsonPath, examples
from pellucid.errors import UsageError

KINDS = {
    "recipes": "",
    "models": "",
    "noise": "noise",
    "networks": "model",
    "losses": "loss",
    "objectives": "objective",
    "classical": "classical",
    "metrics": "metric",
    "data": "data",
    "engines": "engine",
}
HEADING_KEYS = ("summary", "task")
# Listed with the shipped models, though it has no weights of its own.
SELF_TRAINED_CARD = {
    "summary": "photo, fine-tuned on each image first: for kinds of images that no shipped model was trained on",
    "task": "denoise",
    "data": ["only the image to denoise"],
    "command": "pellucid denoise IMAGE --model self --minutes 0.75",
    "limits": [
        "takes most of a minute for each image or stack, and needs pellucid[train]",
        "cannot learn from images smaller than 32 pixels, or where noise hides the image completely",
    ],
}


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(
        "list",
        short_help="List recipes, models, noise, networks, data sets ... by name.",
        epilog=examples(
            "pellucid list",
            "pellucid list recipes",
            "pellucid list models",
            "pellucid list noise --json -",
        ),
    )(list_components)


def list_components(
    kind: Annotated[str | None, typer.Argument(help=f"One of: {', '.join(KINDS)}. By default all.")] = None,
    json_path: JsonPath = None,
) -> None:
    """List recipes, shipped models, noise models, networks, losses, baselines, metrics, data sets and engines.

    `pellucid list models` prints the card of each model: data with licenses, figures, limits. The last one, `self`,
    has no shipped weights: it learns from the image that it denoises.
    """
    from pellucid.registry import suggestion

    if kind is not None and kind not in KINDS:
        raise UsageError(f'there is no list "{kind}"{suggestion(kind, list(KINDS))}')
    output = CommandOutput(json_path)
    if kind == "models":
        _print_cards(output)
        return
    kinds = {name: _entries(name) for name in ([kind] if kind else KINDS)}
    width = max((len(entry) for entries in kinds.values() for entry in entries), default=0)
    for position, (name, entries) in enumerate(kinds.items()):
        if len(kinds) > 1:
            output.print(f"{chr(10) if position else ''}{name}", "bold")
        output.print_entries(entries, width)
    output.write_json(kinds)


def _print_cards(output: CommandOutput) -> None:
    models = _models()
    if len(models) == 1:
        output.print_note("this version ships no models: train one (pellucid list recipes)")
    for position, (name, card) in enumerate(models.items()):
        output.print(f"{chr(10) if position else ''}{name}: {card['summary']}", "bold")
        lines = {key: _card_lines(value) for key, value in card.items() if key not in HEADING_KEYS}
        width = max(map(len, lines))
        for key, texts in lines.items():
            for index, text in enumerate(texts):
                output.print(f"  {('' if index else key).ljust(width)}  {text}")
    output.write_json({"models": models})


def _models() -> dict[str, dict[str, Any]]:
    """Return the cards of the shipped models and of `self`."""
    from pellucid.weights.catalog import SELF_TRAINED, cards

    return cards() | {SELF_TRAINED: SELF_TRAINED_CARD}


def _card_lines(value: Any) -> list[str]:
    """Return the lines of a card's value: one for a text, one for each item of a list or entry of a table."""
    if isinstance(value, Mapping):
        return [f"{name}: {entry}" for name, entry in value.items()]
    return [str(entry) for entry in value] if isinstance(value, list) else [str(value)]


def _entries(kind: str) -> dict[str, str]:
    """Return the names of a kind with their summaries."""
    if kind == "models":
        return {name: card["summary"] for name, card in _models().items()}
    if kind == "recipes":
        from pellucid.recipes.recipe import load_recipe, recipe_names

        return {name: load_recipe(name).summary for name in recipe_names()}
    from pellucid import registry

    return {name: registry.summary(KINDS[kind], name) for name in registry.names(KINDS[kind])}
