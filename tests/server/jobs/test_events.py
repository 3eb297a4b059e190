import asyncio

import pytest

from pellucid.server.jobs.database import Item
from pellucid.server.jobs.events import Watch, within

ITEM = Item("j", 1, "a.png", "a", state="running")


def test_shares_are_those_of_what_runs():
    watch = Watch()
    watch.progress(ITEM, 0.5)
    assert watch.share(ITEM) == 0
    with watch.following(ITEM):
        for given, kept in ((0.5, 0.5), (-1, 0), (2, 1)):
            watch.progress(ITEM, given)
            assert watch.share(ITEM) == kept
    assert watch.share(ITEM) == 0
    assert watch.share(Item("j", 1, "a.png", "a", state="done")) == 1


def test_whoever_watches_hears_of_his_job_alone():
    watch = Watch()
    with watch.changes("j") as mine, watch.changes("j") as too, watch.changes("k") as other:
        with watch.following(ITEM):
            assert mine.is_set() and too.is_set() and not other.is_set()
        mine.clear()
        watch.tell_all()
        assert mine.is_set() and other.is_set()
    watch.tell("j")


@pytest.mark.parametrize("is_set", [True, False])
def test_an_event_is_waited_for_no_longer_than_said(is_set):
    async def act():
        event = asyncio.Event()
        if is_set:
            event.set()
        return await within(event, 0.001)

    assert asyncio.run(act()) is is_set
