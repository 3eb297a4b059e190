"""What there is: names with one-liners, read without importing anything heavy; and fetching the data sets."""

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
ON_TOP = ("summary", "task")  # what a card's heading says
# Not shipped, but named where shipped ones are: what takes their place for images that they do not know.
LEARNING = {
    "summary": "no network of its own: photo, trained on the very image first, for kinds that nobody trained on",
    "task": "denoise",
    "data": ["the image to be denoised, and nothing else"],
    "command": "pellucid denoise IMAGE --model self --minutes 0.75",
    "limits": [
        "takes most of a minute for each image or stack, and pellucid[train]",
        "learns nothing from images below 32 pixels a side, nor from noise that leaves nothing of the image",
    ],
}


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
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
    kind: Annotated[str | None, typer.Argument(help=f"One of: {', '.join(KINDS)}. All of them if not given.")] = None,
    json_path: JsonPath = None,
) -> None:
    """List recipes, shipped models, noise models, networks, losses, rivals, metrics, data sets and engines by name.

    `pellucid list models` shows the whole card of each: its data and their licences, its figures, its limits. The last
    one, `self`, is none that is shipped: it learns from the image that it denoises.
    """
    from pellucid.registry import suggestion

    if kind is not None and kind not in KINDS:
        raise UsageError(f'there is no list "{kind}"{suggestion(kind, list(KINDS))}')
    output = CommandOutput(json_path)
    if kind == "models":
        _show_cards(output)
        return
    listed = {name: _entries(name) for name in ([kind] if kind else KINDS)}
    width = max((len(entry) for entries in listed.values() for entry in entries), default=0)
    for position, (name, entries) in enumerate(listed.items()):
        if len(listed) > 1:
            output.print(f"{chr(10) if position else ''}{name}", "bold")
        output.print_entries(entries, width)
    output.write_json(listed)


def _show_cards(output: CommandOutput) -> None:
    shown = _models()
    if len(shown) == 1:
        output.print_note("this version ships no models: train one (pellucid list recipes)")
    for position, (name, card) in enumerate(shown.items()):
        output.print(f"{chr(10) if position else ''}{name}: {card['summary']}", "bold")
        lines = {key: _card_lines(value) for key, value in card.items() if key not in ON_TOP}
        width = max(map(len, lines))
        for key, texts in lines.items():
            for index, text in enumerate(texts):
                output.print(f"  {('' if index else key).ljust(width)}  {text}")
    output.write_json({"models": shown})


def _models() -> dict[str, dict[str, Any]]:
    """Return the cards of the shipped models, and one of what learns from the image itself."""
    from pellucid.weights import SELF_TRAINED, cards

    return cards() | {SELF_TRAINED: LEARNING}


def _card_lines(value: Any) -> list[str]:
    """Return the lines that show a value of a card: one a text, one an item of a list, one an entry of a table."""
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
