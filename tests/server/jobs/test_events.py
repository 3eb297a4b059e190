import asyncio

import pytest

from pellucid.server.jobs.database import Item
from pellucid.server.jobs.events import JobNotifier, wait_for_event

ITEM = Item("j", 1, "a.png", "a", state="running")


def test_progress_is_kept_while_an_item_runs():
    notifier = JobNotifier()
    notifier.set_progress(ITEM, 0.5)
    assert notifier.progress_of(ITEM) == 0
    with notifier.track(ITEM):
        for value, kept in ((0.5, 0.5), (-1, 0), (2, 1)):
            notifier.set_progress(ITEM, value)
            assert notifier.progress_of(ITEM) == kept
    assert notifier.progress_of(ITEM) == 0
    assert notifier.progress_of(Item("j", 1, "a.png", "a", state="done")) == 1


def test_subscribers_are_notified_of_their_own_job():
    notifier = JobNotifier()
    with notifier.subscribe("j") as mine, notifier.subscribe("j") as too, notifier.subscribe("k") as other:
        with notifier.track(ITEM):
            assert mine.is_set() and too.is_set() and not other.is_set()
        mine.clear()
        notifier.notify_all()
        assert mine.is_set() and other.is_set()
    notifier.notify("j")


@pytest.mark.parametrize("is_set", [True, False])
def test_waiting_for_an_event_ends_after_the_timeout(is_set):
    async def act():
        event = asyncio.Event()
        if is_set:
            event.set()
        return await wait_for_event(event, 0.001)

    assert asyncio.run(act()) is is_set
