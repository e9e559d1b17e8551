"""SLURM accounting rows as job events: columns, instants, elapsed time, allocated resources, the map."""

import pytest

from core.errors import BadInput
from metering import rules
from metering.sacct import HEADERLESS, SacctReader, SlurmMap, allocated, elapsed_s, looks_like_sacct
from metering.slurm_map import read_map
from tests.sacct import row

NAMES = SlurmMap(projects={"lab1": "P1", "default": "P9"}, models={"h100": "H100"})


def read(*rows: bytes, names=NAMES, source="/slurm"):
    reader = SacctReader(names=names, source=source)
    events, rejections = reader.read(list(enumerate(rows, 1)))
    return [events[one] for one in range(len(events))], rejections, reader


def test_row__becomes_a_job_event_by_its_job_number_and_start():
    (event,), rejections, _ = read(row(127, jobid="123_4"))
    assert rejections == []
    assert (event.type, event.source, event.id) == (rules.JOB, "/slurm", "127@2025-11-10T00:00:00")
    assert event.values == {
        "project": "P1", "session": "123_4", "start": "2025-11-10T00:00:00.000000Z",
        "end": "2025-11-10T01:00:00.000000Z", "elapsed_s": 3600, "gpu_count": 2, "core_count": 8, "model": "H100",
        "node": "n01", "cluster": "gpu1",
    }  # fmt: skip


def test_header__in_any_order_and_with_columns_to_spare_reads_the_same():
    columns = ("alloctres", "end", "start", "comment", "jobidraw", "elapsed", "account", "partition", "jobid",
               "cluster", "nodelist")  # fmt: skip
    header = "|".join(name.capitalize() for name in columns).encode()
    by_name, rejections, _ = read(header, row(7, columns, comment="any"), header)
    plain, _, _ = read(row(7))
    assert rejections == []
    assert [one.content for one in by_name] == [one.content for one in plain]


def test_source__is_the_rows_cluster_when_none_is_given():
    (one, other), _, _ = read(row(1), row(1, cluster="gpu2"), source=None)
    assert (one.source, other.source) == ("slurm://gpu1", "slurm://gpu2")
    assert one.key != other.key


def test_job_name__may_hold_the_separator_where_it_comes_last():
    (event,), rejections, _ = read(row(1, jobname="a|b|c"))
    assert rejections == []
    assert event.values["gpu_count"] == 2


def test_personal_columns__are_not_kept():
    (event,), _, _ = read(row(1, user="hong", jobname="환자 명단", group="grp"))
    assert not {"user", "jobname", "group"} & event.values.keys()
    assert b"hong" not in event.data


def test_requeued_job__is_an_event_for_each_start():
    first = row(5, state="REQUEUED", end="2025-11-10T00:30:00", elapsed="00:30:00")
    again = row(5, start="2025-11-10T02:00:00", end="2025-11-10T03:00:00")
    events, _, _ = read(first, again, first)
    assert len({one.key for one in events}) == 2
    assert events[0].content == events[2].content


def test_rows_that_have_not_ended_or_never_began__are_counted_apart():
    running = row(1, end="Unknown", state="RUNNING")
    never = {"state": "CANCELLED by 1000", "elapsed": "00:00:00", "alloctres": "", "nodelist": "None assigned"}
    cancelled, none = row(2, start="Unknown", **never), row(3, start="None", **never)
    events, rejections, reader = read(running, cancelled, none, row(4))
    assert (len(events), rejections, reader.running, reader.unstarted) == (1, [], 1, 2)


def test_job_that_ended_where_it_began__is_an_event_without_usage():
    (event,), rejections, _ = read(row(1, end="2025-11-10T00:00:00", elapsed="00:00:00"))
    assert rejections == []
    assert event.values["elapsed_s"] == 0


@pytest.mark.parametrize(
    ("cells", "reason", "field"),
    [
        ({"jobidraw": "100.batch"}, "schema", "jobidraw"),
        ({"start": "2025-11-10T00:00:00+09:00"}, "schema", "start"),
        ({"start": "2025-02-30T00:00:00"}, "schema", "start"),
        ({"end": "yesterday"}, "schema", "end"),
        ({"end": "2025-11-09T00:00:00"}, "schema", "end"),
        ({"elapsed": "01:60:00"}, "schema", "elapsed"),
        ({"elapsed": "1.5"}, "schema", "elapsed"),
        ({"elapsed": "01:00:01"}, "schema", "elapsed_s"),
        ({"alloctres": "cpu=8,gres/gpu=x"}, "schema", "alloctres"),
        ({"alloctres": "cpu=8,gres/gpu=1,gres/gpu=2"}, "schema", "alloctres"),
        ({"alloctres": "cpu"}, "schema", "alloctres"),
        ({"alloctres": "gres/gpu=2", "ncpus": "many"}, "schema", "ncpus"),
        ({"partition": "unknown"}, "unmapped", "partition"),
    ],
)  # fmt: skip
def test_broken_row__is_rejected_with_its_bytes_and_the_field(cells, reason, field):
    payload = row(1, **cells)
    events, ((line, rejection),), _ = read(payload)
    assert events == []
    assert (line, rejection.reason, rejection.payload) == (1, reason, payload)
    assert rejection.detail.startswith(f"{field}: ")


def test_row_of_too_few_cells_or_not_utf8__is_rejected():
    broken = b"\xff".join(row(1).split(b"lab1"))
    _, rejections, _ = read(row(1).rpartition(b"|")[0], broken)
    assert [one.detail.partition(":")[0] for _, one in rejections] == ["row", "account"]


def test_account_without_an_entry__falls_to_the_default_or_is_rejected():
    (event,), _, _ = read(row(1, account="other"))
    assert event.project == "P9"
    _, ((_, rejection),), _ = read(row(1, account="other"), names=SlurmMap(projects={"lab1": "P1"}, models={}))
    assert rejection.reason == "unmapped"
    assert "'other'" in rejection.detail


def test_job_without_gpus__needs_no_gpu_model_and_stands_under_its_partition():
    (event,), rejections, _ = read(row(1, partition="cpu", alloctres="billing=8,cpu=8,mem=8G"))
    assert rejections == []
    assert (event.values["model"], event.values["gpu_count"], event.values["core_count"]) == ("cpu", 0, 8)


@pytest.mark.parametrize(
    ("alloctres", "expected"),
    [
        ("billing=8,cpu=8,gres/gpu=2,gres/gpu:a100=2,mem=64G", (2, 8)),
        ("cpu=8,gres/gpu:a100=2,gres/gpu:h100=1", (3, 8)),
        ("cpu=8,gres/gpu=2", (2, 8)),
        ("cpu=8,gres/gpumem=10G,gres/gpuutil=50,gres/shard=4", (0, 8)),
        ("gres/gpu=2,mem=1G", (2, 16)),
        ("", (0, 16)),
    ],
)
def test_allocated__counts_gpus_and_cores(alloctres, expected):
    assert allocated(alloctres, "16") == expected


@pytest.mark.parametrize(
    ("text", "seconds"), [("00:00:00", 0), ("01:02:03", 3723), ("2-03:04:05", 183845), ("59:59", 3599)]
)
def test_elapsed__is_read_in_days_hours_minutes_and_seconds(text, seconds):
    assert elapsed_s(text) == seconds


def test_auto__tells_accounting_from_events():
    assert looks_like_sacct(row(1))
    assert looks_like_sacct("|".join(HEADERLESS).encode())
    assert not looks_like_sacct(b'{"specversion":"1.0","id":"a|b"}')
    assert not looks_like_sacct(b"")


def test_map__is_read_and_each_problem_of_a_bad_one_is_named(tmp_path):
    path = tmp_path / "map.toml"
    path.write_text('[project]\nlab1 = "P1"\ndefault = "P9"\n[model]\nh100 = "H100"\n')
    assert read_map(path) == SlurmMap(projects={"lab1": "P1", "default": "P9"}, models={"h100": "H100"})
    path.write_text('[project]\nlab1 = 7\n[modell]\nh100 = "H100"\n')
    with pytest.raises(BadInput) as caught:
        read_map(path)
    assert len(caught.value.problems) == 2
    for text, problem in (
        (b"project = [", "TOML"),
        (b"[model]\n", "[project]"),
        (b"\xff", "TOML"),
        (b"model=1", "model"),
    ):
        path.write_bytes(text)
        with pytest.raises(BadInput, match=problem.replace("[", r"\[")):
            read_map(path)
