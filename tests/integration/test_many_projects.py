"""Many projects in one programme: their codes begin alike, and none is taken for another."""

from datetime import datetime

from tests.events import NOW, accepted, gpu, performed, take


def test_codes_that_begin_alike__are_not_taken_for_each_other(jeongsan, registry_file, engine):
    path = registry_file()
    path.write_text(path.read_text().replace('"P2"', '"P10"').replace('"H2"', '"H10"').replace('"C2"', '"C10"'))
    jeongsan("load", path, now="2025-09-15T09:00:00+09:00")
    prepared = [performed("w1"), accepted("a1", "w1"), gpu("g1"), gpu("g2", project="P10", session="t")]
    take(engine, prepared, datetime.fromisoformat(NOW))
    document = jeongsan("month", "run", "2025-11", "--programme", "V25", now="2025-12-03T09:00:00+09:00")
    assert (document["state"], document["differences"]) == ("locked", 0)
    assert document["company"]["C10"]["total_krw"] == 7700
