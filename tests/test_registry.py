import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid import registry
from pellucid.errors import UsageError

every_kind = pytest.mark.parametrize("kind", registry.PACKAGES)


def refusal(function, *arguments):
    with pytest.raises(UsageError) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@every_kind
def test_every_component_has_a_summary_on_one_line(kind):
    names = registry.names(kind)
    assert names and list(names) == sorted(names)
    for name in names:
        summary = registry.summary(kind, name)
        assert 10 < len(summary) <= 120 and summary.endswith("."), f"{kind} {name}: {summary!r}"


@every_kind
def test_a_class_bears_the_name_of_its_module(kind):
    for name in registry.names(kind):
        component = registry.load(kind, name)
        assert component.__name__.lower() == name.replace("_", "")
        assert component.__module__ == f"pellucid.{registry.PACKAGES[kind]}.{name}"


@every_kind
def test_unknown_names_and_options_are_answered_with_the_nearest(kind):
    name = registry.names(kind)[0]
    assert f'did you mean "{name}"?' in refusal(registry.load, kind, f"{name}x")
    assert f'unknown {kind} "qqq" (known: ' in refusal(registry.summary, kind, "qqq")
    assert f'{kind} "{name}" has no option "qqq"' in refusal(registry.build, kind, name, {"qqq": 1})


def test_a_misspelt_option_is_answered_with_the_nearest():
    assert 'has no option "sigm" (did you mean "sigma"?)' in refusal(registry.build, "noise", "gaussian", {"sigm": 1})


def test_a_value_that_is_refused_names_the_component():
    assert refusal(registry.build, "noise", "gaussian", {"sigma": -1}).startswith('noise "gaussian": sigma=-1 ')


def test_a_component_is_built_from_its_options():
    noise = registry.build("noise", "uniform", {"low": -0.5, "high": 0.5})
    assert (noise.low, noise.high) == (-0.5, 0.5)


def test_listing_imports_no_component():
    code = (
        "import sys; from pellucid import registry\n"
        "for kind in registry.PACKAGES: [registry.summary(kind, name) for name in registry.names(kind)]\n"
        "print({'torch', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gaussian", ("gaussian", {})),
        (" gaussian() ", ("gaussian", {})),
        ("gaussian(sigma=25)", ("gaussian", {"sigma": 25})),
        ("conv(widths=(64, 32), up='deconv')", ("conv", {"widths": (64, 32), "up": "deconv"})),
        ("uniform(low=-0.5)", ("uniform", {"low": -0.5})),
    ],
)
def test_a_component_is_written_as_a_call(text, expected):
    assert registry.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gaussian(25)",
        "gaussian(**{'sigma': 1})",
        "gaussian(sigma=",
        "gaussian(sigma=open('x'))",
        "a.b(c=1)",
        "a; b",
        "\0",
    ],
)
def test_other_texts_are_refused_with_an_example(text):
    assert "such as gaussian(sigma=25)" in refusal(registry.parse, text)


@given(st.text(max_size=30))
def test_no_text_makes_the_parser_fail(text):
    try:
        name, options = registry.parse(text)
    except UsageError:
        return
    assert name.isidentifier() and isinstance(options, dict)
