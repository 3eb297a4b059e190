import pytest

from pellucid.errors import PellucidError


@pytest.fixture(scope="session")
def refusal():
    """Call what has to be refused in one line, and return that line."""

    def refusal(function, *arguments, **options):
        with pytest.raises(PellucidError) as caught:
            function(*arguments, **options)
        message = str(caught.value)
        assert "\n" not in message and len(message) < 600
        return message

    return refusal
