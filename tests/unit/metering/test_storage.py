"""Storage as a step function: replacing, ties at one instant, deletion, a new life."""

from metering.rules import DELETED, SNAPSHOT
from metering.storage import Reading, steps


def reading(seq, at_us, held_bytes=0, number=SNAPSHOT, volume="v", zone="", event_id=None):
    return Reading(seq=seq, type=number, source="/t", id=event_id or str(seq), project="P1", volume=volume, zone=zone,
                   storage_class="standard", at_us=at_us, held_bytes=held_bytes)  # fmt: skip


def total(*readings, until=100):
    return sum(step.within(0, until) for step in steps(sorted(readings, key=lambda one: one.order)))


def test_steps__a_later_snapshot_replaces():
    assert total(reading(1, 10, 5), reading(2, 40, 7)) == 30 * 5 + 60 * 7


def test_steps__at_one_instant_the_highest_identity_stands():
    assert total(reading(1, 10, 5, event_id="b"), reading(2, 10, 7, event_id="a")) == 90 * 5


def test_steps__a_deletion_ends_all_zones_and_wins_its_instant():
    held = (reading(1, 10, 5, zone="provider"), reading(2, 20, 3, zone="analysis"))
    assert total(*held, reading(3, 50, number=DELETED)) == 40 * 5 + 30 * 3
    assert total(*held, reading(3, 20, number=DELETED)) == 10 * 5


def test_steps__a_snapshot_after_the_deletion_is_a_new_life():
    assert total(reading(1, 10, 5), reading(2, 20, number=DELETED), reading(3, 21, 2)) == 10 * 5 + 79 * 2


def test_steps__volumes_and_zones_are_apart():
    assert total(reading(1, 10, 5), reading(2, 20, 7, volume="w"), reading(3, 90, 1, zone="analysis")) == 450 + 560 + 10


def test_step__counts_only_inside_the_given_interval():
    (step,) = steps([reading(1, 10, 5)])
    assert (step.within(0, 10), step.within(20, 30), step.within(5, 12)) == (0, 50, 10)
