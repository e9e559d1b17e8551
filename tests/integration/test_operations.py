"""status and anomalies: what is planted is found, what is in order is not."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from tests.events import NOW, accepted, amended, deleted, gpu, performed, snapshot, take, voided
from tests.sacct import MAP, row

AT = datetime.fromisoformat(NOW)


@pytest.fixture
def anomalies(loaded, jeongsan):
    """Takes events in and lists anomalies by kind; no source is silent unless hours are given."""

    def call(*events, options=(), now=NOW, at=AT) -> dict[str, list[dict]]:
        take(loaded, events, at)
        found: dict[str, list[dict]] = {}
        for one in jeongsan("anomalies", *options, now=now)["anomalies"]:
            found.setdefault(one["kind"], []).append(one)
        return found

    return call


def hour(event_id: str, first: str, last: str, **data) -> dict:
    return gpu(event_id, f"2025-11-10T{first}:00Z", f"2025-11-10T{last}:00Z", **data)


def test_slices__of_a_session_that_stays_open_are_in_order_and_sum_to_the_whole(anomalies, jeongsan):
    assert anomalies(hour("c", "02:00", "03:00"), hour("a", "00:00", "01:00"), hour("b", "01:00", "02:00")) == {}
    (row_,) = jeongsan("usage", "--month", "2025-11")["rows"]
    assert row_["quantity"] == "10800"


def test_overlap__of_one_session_is_found_with_its_events(anomalies, jeongsan):
    found = anomalies(hour("a", "00:00", "03:00"), hour("b", "01:00", "02:00"), hour("c", "02:30", "04:00"))
    (one,) = found.pop("overlap")
    assert (one["project"], one["subject"]) == ("P1", "s")
    assert "2개" in one["detail"]
    assert "01:30:00" in one["detail"]
    assert one["refs"] == ["event:/t#a", "event:/t#b", "event:/t#c"]
    assert found == {}
    assert jeongsan("trace", one["refs"][0])["events"][0]["id"] == "a"


def test_overlap__of_other_sessions_nodes_or_models_or_of_voided_and_amended_events_is_none(anomalies):
    found = anomalies(
        hour("a", "00:00", "03:00"), hour("b", "01:00", "02:00", session="t"), hour("c", "00:00", "03:00", node="n"),
        hour("d", "00:00", "03:00", model="A100"), hour("e", "00:00", "03:00", cluster="k"),
        hour("v", "00:00", "03:00"), voided("vv", "v"), hour("m", "02:00", "05:00"),
        amended("mm", "m", start="2025-11-10T03:00:00Z"),
    )  # fmt: skip
    assert found == {}


def test_overlap__made_by_an_amendment_is_found(anomalies):
    found = anomalies(
        hour("a", "00:00", "01:00"), hour("b", "01:00", "02:00"), amended("m", "a", end="2025-11-10T01:00:01Z")
    )
    assert found["overlap"][0]["refs"] == ["event:/t#a", "event:/t#b"]


def test_gap__within_a_session_is_found(anomalies):
    found = anomalies(hour("a", "00:00", "01:00"), hour("b", "01:30", "02:00"), hour("c", "02:00", "03:00"))
    (one,) = found["gap"]
    assert "00:30:00" in one["detail"]
    assert one["refs"] == ["event:/t#a", "event:/t#b"]
    assert list(found) == ["gap"]


def test_month__limits_what_is_looked_at(anomalies):
    events = [hour("a", "00:00", "02:00"), hour("b", "01:00", "02:00")]
    assert anomalies(*events, options=("--month", "2025-12")) == {}
    assert list(anomalies(options=("--month", "2025-11"))) == ["overlap"]


def test_node__with_more_gpus_allocated_than_it_has_is_found(anomalies):
    found = anomalies(
        hour("a", "00:00", "02:00", gpus="6", node="n1", session="a"),
        hour("b", "01:00", "03:00", gpus="2.5", node="n1", session="b", project="P2"),
        hour("c", "02:00", "03:00", gpus="5.5", node="n1", session="c"),
        hour("d", "00:00", "02:00", gpus="8", node="n2", session="d"),
        hour("e", "02:00", "03:00", gpus="8", node="n2", session="e"),
        hour("f", "00:00", "03:00", gpus="16", node="n[3-4]", session="f"),
    )  # fmt: skip
    (one,) = found["node_overcommitted"]
    assert (one["subject"], one["project"]) == ("n1", None)
    assert "8.5개" in one["detail"]
    assert "01:00:00" in one["detail"]
    assert "1800 GPU" in one["detail"]
    assert one["refs"] == ["event:/t#a", "event:/t#b"]
    assert len(anomalies(options=("--node-gpus", "4"))["node_overcommitted"]) == 2


def test_clock_skew__events_recorded_before_they_happened_are_found_by_source(anomalies):
    at = datetime.fromisoformat("2025-11-10T00:59:30+00:00")
    assert anomalies(hour("a", "00:00", "01:00"), at=at, now=at.isoformat()) == {}
    found = anomalies(hour("b", "01:00", "02:00", session="b"), at=at)
    (one,) = found["clock_skew"]
    assert (one["subject"], one["refs"]) == ("/t", ["event:/t#b"])
    assert "01:00:30" in one["detail"]
    assert "clock_skew" not in anomalies(options=("--skew-seconds", "4000"))


def test_volume__that_shrinks_to_nothing_without_a_certificate_is_found(anomalies):
    day = "2025-11-{:02d}T00:00:00Z".format
    found = anomalies(
        snapshot("s1", day(1), 10), snapshot("s2", day(2), 0), snapshot("s3", day(3), 0),
        snapshot("w1", day(1), 10, "w"), snapshot("w2", day(2), 0, "w"), deleted("wd", day(3), "w"),
        snapshot("x1", day(1), 10, "x"), snapshot("x2", day(2), 5, "x"), snapshot("y1", day(1), 0, "y"),
        snapshot("z1", day(1), 7, "z"), snapshot("z2", day(2), 0, "z"), snapshot("z3", day(3), 7, "z"),
    )  # fmt: skip
    assert [(one["subject"], one["refs"]) for one in found["volume_emptied"]] == [
        ("v", ["event:/t#s1", "event:/t#s2"]), ("z", ["event:/t#z1", "event:/t#z2"]),
    ]  # fmt: skip
    assert list(found) == ["volume_emptied"]


def test_source__that_fell_silent_is_found_while_an_agreement_runs(anomalies):
    later = (AT + timedelta(hours=30)).isoformat()
    (one,) = anomalies(gpu("a"), now=later)["silent_source"]
    assert (one["subject"], one["project"]) == ("/t", None)
    assert "30시간" in one["detail"]
    assert anomalies(now=later, options=("--silent-hours", "31")) == {}
    assert anomalies(now="2026-04-01T00:00:00+09:00") == {}


def test_work__that_waits_too_long_for_its_acceptance_is_found(anomalies):
    early = "2025-10-10T05:00:00Z"
    found = anomalies(
        performed("w1", performed=early), accepted("a1", "w1", quantity="4"),
        performed("w2", performed=early), accepted("a2", "w2"), performed("w3"),
    )  # fmt: skip
    (one,) = found["acceptance_overdue"]
    assert (one["subject"], one["refs"]) == ("L11/study", ["event:/t#w1"])
    assert " 6 study" in one["detail"]
    assert len(anomalies(options=("--acceptance-days", "7"))["acceptance_overdue"]) == 2


def test_jobs__overlap_and_crowd_a_node_but_are_queued_again_and_suspended_without_anomaly(
    loaded, jeongsan, tmp_path, anomalies
):
    path, names = tmp_path / "jobs.txt", tmp_path / "map.toml"
    path.write_bytes(b"\n".join([
        row(1, alloctres="cpu=1,gres/gpu=8"), row(1, start="2025-11-10T02:00:00", end="2025-11-10T03:00:00"),
        row(2, elapsed="00:30:00"), row(3, start="2025-11-10T02:00:00", end="2025-11-10T03:00:00",
                                        alloctres="cpu=1,gres/gpu=7"),
        row(4, nodelist="n02"), row(4, start="2025-11-10T00:30:00", nodelist="n02", elapsed="00:30:00"),
    ]))  # fmt: skip
    names.write_text(MAP)
    jeongsan("ingest", path, "--map", names, "--source", "/slurm", now=NOW)
    found = anomalies()
    assert [one["subject"] for one in found.pop("overlap")] == ["4"]
    assert [one["subject"] for one in found.pop("node_overcommitted")] == ["gpu1/n01"]
    assert found == {}


def test_status__shows_offsets_rates_sources_and_what_waits(loaded, jeongsan, monkeypatch, tmp_path):
    monkeypatch.delenv("KAFKA_BOOTSTRAP", raising=False)
    monkeypatch.setenv("JEONGSAN_HOME", str(tmp_path))
    with loaded.begin() as connection:
        connection.execute(
            text("INSERT INTO consumer_offset (topic, partition, next_offset, epoch) VALUES ('usage', 0, 7, 1)")
        )
    take(loaded, [gpu("a")], AT, topic="usage")
    later = AT + timedelta(seconds=2)
    take(loaded, [*(gpu(f"b{n}") for n in range(9)), gpu("x", project="P9"), b"?"], later, topic="usage")
    take(loaded, [gpu("f", source="/file")], AT, topic="file:1")
    found = jeongsan("status")
    assert found["partitions"] == [
        {"topic": "usage", "partition": 0, "next_offset": 7, "end_offset": None, "lag": None}
    ]  # fmt: skip
    (rate,) = found["rates"]
    assert (rate["batches"], rate["received"], rate["span_ms"], rate["events_per_s"]) == (2, 12, 2000, 5)
    assert found["sources"] == [
        {"source": "/file", "events": 1, "last_at": AT.isoformat()},
        {"source": "/t", "events": 10, "last_at": later.isoformat()},
    ]
    assert (found["dead_letters"], found["quarantine"]) == ({"not_json": 1}, {"unknown_project": 1})
    assert "KAFKA_BOOTSTRAP" in found["broker"]


def test_status__of_a_fresh_database_is_empty(loaded, jeongsan, monkeypatch, tmp_path):
    monkeypatch.delenv("KAFKA_BOOTSTRAP", raising=False)
    monkeypatch.setenv("JEONGSAN_HOME", str(tmp_path))
    found = jeongsan("status")
    assert [found[name] for name in ("partitions", "rates", "sources")] == [[], [], []]
    assert jeongsan("anomalies") == {"anomalies": []}
