"""A long look says that it goes on."""

from vicinal.images.report import extra_sections as look_again


def test_it_says_now_and_then_that_it_goes_on(monkeypatch):
    now, told = [100.0], []
    monkeypatch.setattr(look_again.time, "monotonic", lambda: now[0])
    check_interrupt = look_again._now_and_then(told.append)
    for now[0] in (101.0, 114.9, 115.0, 116.0, 131.0):
        check_interrupt()
    assert told == [
        "still looking, about 15 s so far",
        "still looking, about 31 s so far",
    ]
