import pytest

from pellucid.server.errors import Problem
from pellucid.server.jobs.database import Options
from pellucid.server.schemas import wishes
from pellucid.server.settings import Settings

SETTINGS = Settings(models=("photo", "photo-fast"))


def test_what_is_left_out_is_as_usual_and_an_empty_classifier_is_none():
    usual = Options("photo", 1.0, None, None)
    assert wishes({}, SETTINGS) == wishes({"classifier": ""}, SETTINGS) == usual


def test_what_is_asked_for_is_read():
    found = wishes({"model": "photo-fast", "sigma": "51", "strength": "0.5", "other": "x"}, SETTINGS)
    assert found == Options("photo-fast", 0.5, 0.2, None)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"model": "fotos"}, "model is fotos: choose one of photo, photo-fast"),
        ({"model": ""}, "model is empty: choose one of photo, photo-fast"),
        ({"sigma": ""}, "sigma is empty: give auto"),
        ({"strength": ""}, "strength is empty: give a number from 0 to 1"),
        ({"classifier": "digits"}, "classifier is digits: this service has none"),
        ({"sigma": "256"}, "sigma is 256: give auto, or a number from 0 to 255"),
        ({"sigma": "-1"}, "sigma is -1"),
        ({"sigma": "loud"}, "sigma is loud"),
        ({"strength": "nan"}, "strength is nan"),
        ({"strength": "2"}, "strength is 2: give a number from 0 to 1"),
        ({"strength": "a\nb"}, "strength is a b:"),
    ],
)
def test_what_cannot_be_is_named_with_what_can(asked, words):
    with pytest.raises(Problem) as caught:
        wishes(asked, SETTINGS)
    assert caught.value.status_code == 422 and words in caught.value.detail
