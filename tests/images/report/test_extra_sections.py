"""Progress messages of the sections that are made on request."""

from vicinal.images.report import extra_sections


def test_progress_is_printed_every_fifteen_seconds(monkeypatch):
    now, lines = [100.0], []
    monkeypatch.setattr(extra_sections.time, "monotonic", lambda: now[0])
    check_interrupt = extra_sections._progress_printer(lines.append)
    for now[0] in (101.0, 114.9, 115.0, 116.0, 131.0):
        check_interrupt()
    assert lines == [
        "still running, about 15 s so far",
        "still running, about 31 s so far",
    ]
