import pytest

from pellucid.server.api.images import accepts


@pytest.mark.parametrize(
    ("header", "is_accepted"),
    [
        ("*/*", True),
        ("image/*", True),
        ("image/png", True),
        ("IMAGE/PNG", True),
        ("text/html, image/*;q=0.1", True),
        ("text/html", False),
        ("application/json", False),
        ("image/png;q=0", False),
        ("image/*, image/png;q=0", False),
        ("*/*;q=0, image/png", True),
        ("image/jpeg, image/webp", False),
        ("image/png; q=later", True),
    ],
)
def test_the_most_specific_range_decides(header, is_accepted):
    assert accepts(header, "image/png") is is_accepted
