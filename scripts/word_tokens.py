"""Split the files of the project into names and text: Python, TOML, Markdown, JavaScript, HTML, CSS and shell."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

SUFFIXES = (".py", ".toml", ".md", ".js", ".html", ".css")
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
KEY = re.compile(r"[A-Za-z_][\w.\-]*")
CODE = re.compile(r"`([^`\n]+)`")
COMPOUND = re.compile(r"\b(?:[A-Za-z]+_\w+|[a-z]+[A-Z]\w*)")
NAMING_ATTRIBUTES = ("id", "class", "for", "name", "aria-controls", "aria-labelledby", "aria-describedby")
SHOWN_ATTRIBUTES = ("aria-label", "title", "alt", "placeholder", "content", "value")
JS = re.compile(
    r"(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<string>\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')"
    r"|(?P<template>`(?:\\.|[^`\\])*`)|(?P<name>[A-Za-z_$][\w$]*)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Token:
    """A name, or a piece of text.

    Attributes:
        kind: "name", "text", or "joint": the end of a line and the beginning of the next, where a phrase may stand.
        text: as it stands in the file.
        line: from 1.
        is_string: whether it is the whole value of a string in the code.
    """

    kind: str
    text: str
    line: int
    is_string: bool = False


def is_readable(path: str, file: Path) -> bool:
    """Return whether a file is of a kind that is checked; scripts are known by their first line."""
    if path.endswith(SUFFIXES):
        return True
    return "." not in Path(path).name and file.read_bytes()[:2] == b"#!"


def path_tokens(path: str) -> Iterator[Token]:
    """Yield the names of a file and of its folders."""
    for part in Path(path).parts:
        yield Token("name", part.partition(".")[0], 1)


def tokens_of(path: str, text: str) -> Iterator[Token]:
    """Yield the tokens of a file; its suffix says how it is read."""
    readers = {
        ".py": python_tokens,
        ".toml": toml_tokens,
        ".md": markdown_tokens,
        ".js": js_tokens,
        ".html": html_tokens,
        ".css": css_tokens,
    }
    reader = readers.get(Path(path).suffix)
    if reader is None:
        reader = python_tokens if "python" in text.partition("\n")[0] else shell_tokens
    tokens = reader(text)
    for token in tokens:
        yield from _without_code(token) if token.kind == "text" else (token,)


def python_tokens(text: str) -> Iterator[Token]:
    """Yield the names that Python code binds, its strings and its comments."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            # The name of a test is a sentence.
            is_test = node.name.startswith("test_")
            yield Token(
                "text" if is_test else "name", node.name.replace("_", " ") if is_test else node.name, node.lineno
            )
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield Token("name", node.id if isinstance(node, ast.Name) else node.attr, node.lineno)
        elif isinstance(node, ast.arg):
            yield Token("name", node.arg, node.lineno)
        elif isinstance(node, ast.alias) and node.asname:
            yield Token("name", node.asname, node.lineno)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _string_tokens(node.value, node.lineno)
    yield from _python_comments(text)


def _python_comments(text: str) -> Iterator[Token]:
    """Yield comments; neighboring lines together, so that phrases are found across their ends."""
    block: list[str] = []
    start = last = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        line = token.start[0]
        if block and line == last + 1:
            block.append(token.string)
        else:
            if block:
                yield Token("text", "\n".join(block), start)
            block, start = [token.string], line
        last = line
    if block:
        yield Token("text", "\n".join(block), start)


def _string_tokens(value: str, line: int) -> Iterator[Token]:
    """Yield a string as a name if it has the form of a key, else as text."""
    if KEY.fullmatch(value):
        yield Token("name", value, line, is_string=True)
    else:
        yield Token("text", value, line, is_string=True)


def _without_code(token: Token) -> Iterator[Token]:
    """Yield a text a line at a time, without `code` in it, which is yielded as names, as compound_names are."""
    text = token.text
    for match in CODE.finditer(text):
        if KEY.fullmatch(match[1]):
            yield Token("name", match[1], token.line + text.count("\n", 0, match.start()))
    for match in COMPOUND.finditer(text):
        yield Token("name", match[0], token.line + text.count("\n", 0, match.start()))
    yield from _lines(CODE.sub(lambda match: " " * len(match[0]), text), token)


def _lines(text: str, token: Token) -> Iterator[Token]:
    """Yield each line with the beginning of the next one, where a phrase may end."""
    lines = text.split("\n")
    if len(lines) == 1:
        yield Token("text", text, token.line, token.is_string)
        return
    for number, line in enumerate(lines):
        yield Token("text", line, token.line + number)
        following = lines[number + 1] if number + 1 < len(lines) else ""
        ends, begins = line.split()[-1:], following.replace("#", " ").split()[:1]
        if ends and begins and ends != ["#"]:
            yield Token("joint", f"{ends[0]} {begins[0]}", token.line + number)


def toml_tokens(text: str) -> Iterator[Token]:
    """Yield the keys of TOML, tables and inline tables included, its strings and its comments."""
    for number, line in enumerate(text.splitlines(), 1):
        bare = re.sub(r'"(?:\\.|[^"\\])*"', lambda match: '"' + " " * (len(match[0]) - 2) + '"', line)
        comment = bare.find("#")
        if comment >= 0:
            yield Token("text", line[comment:], number)
        code = bare if comment < 0 else bare[:comment]
        for match in re.finditer(r"(?:^\s*|[{,]\s*)([\w\-]+)\s*=|^\s*\[+([\w.\-]+)\]", code):
            yield Token("name", match[1] or match[2], number)
        for match in re.finditer(r'"((?:\\.|[^"\\])*)"', line if comment < 0 else line[:comment]):
            yield from _string_tokens(match[1], number)


def markdown_tokens(text: str) -> Iterator[Token]:
    """Yield the text of Markdown, a paragraph or a block at a time, without the addresses of links."""
    start = 1
    for block in re.split(r"(?m)(^\s*```.*\n|^\s*\n)", text):
        yield Token("text", re.sub(r"\]\([^)\n]*\)", "]", block), start)
        start += block.count("\n")


def js_tokens(text: str, offset: int = 0) -> Iterator[Token]:
    """Yield the names, strings and comments of JavaScript."""
    for match in JS.finditer(text):
        line = offset + 1 + text.count("\n", 0, match.start())
        kind, content = match.lastgroup, match[0]
        if kind == "comment":
            yield Token("text", content, line)
        elif kind == "name":
            yield Token("name", content, line)
        elif kind == "string":
            yield from _selector_or_string(content[1:-1], line)
        else:
            for inner in re.findall(r"\$\{([^}]*)\}", content):
                yield from (Token("name", name, line) for name in IDENTIFIER.findall(inner))
            yield Token("text", re.sub(r"\$\{[^}]*\}", " ", content[1:-1]), line)


def _selector_or_string(value: str, line: int) -> Iterator[Token]:
    """Yield the value of a string of JavaScript, where `#id` and `.class` are names too."""
    if re.fullmatch(r"[#.][\w\-]+", value):
        yield Token("name", value[1:], line)
    else:
        yield from _string_tokens(value, line)


def css_tokens(text: str, offset: int = 0) -> Iterator[Token]:
    """Yield the classes, ids, custom properties and comments of CSS."""
    pattern = r"(?P<comment>/\*.*?\*/)|(?P<name>--[a-zA-Z][\w\-]*|(?<![\w])[.#][a-zA-Z_][\w\-]*(?=[^{};]*\{))"
    for match in re.finditer(pattern, text, re.DOTALL):
        line = offset + 1 + text.count("\n", 0, match.start())
        if match["comment"]:
            yield Token("text", match[0], line)
        else:
            yield Token("name", match[0].lstrip(".#-"), line)


class _Page(HTMLParser):
    """Collects the tokens of an HTML page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tokens: list[Token] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag if tag in ("style", "script", "code") else ""
        line = self.getpos()[0]
        for name, value in attrs:
            if name in NAMING_ATTRIBUTES or name.startswith("data-"):
                parts = [name.removeprefix("data-"), *(value or "").split()]
                self.tokens += [Token("name", part, line) for part in parts if KEY.fullmatch(part)]
            elif name in SHOWN_ATTRIBUTES:
                self.tokens.append(Token("text", value or "", line))

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        line = self.getpos()[0]
        readers = {"style": css_tokens, "script": js_tokens}
        if reader := readers.get(self._inside):
            self.tokens += reader(data, line - 1)
        elif self._inside != "code":
            self.tokens.append(Token("text", data, line))

    def handle_comment(self, data: str) -> None:
        self.tokens.append(Token("text", data, self.getpos()[0]))


def html_tokens(text: str) -> Iterator[Token]:
    """Yield the ids, classes, texts, comments, styles and scripts of HTML."""
    page = _Page()
    page.feed(text)
    page.close()
    yield from page.tokens


def shell_tokens(text: str) -> Iterator[Token]:
    """Yield the comments of a shell script, and the names of its variables."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#"):
            yield Token("text", line, number)
        elif match := re.match(r"\s*(\w+)=", line):
            yield Token("name", match[1], number)
