from infogeo.jobs.progress import Heartbeat, duration


def test_durations_are_read_at_a_glance():
    assert duration(5) == "0:05"
    assert duration(65.4) == "1:05"
    assert duration(3661) == "1:01:01"


def test_a_heartbeat_is_quiet_until_it_is_time_and_then_says_rate_and_time_to_go(
    capsys, monkeypatch
):
    now = 0.0
    monkeypatch.setattr("infogeo.jobs.progress.time.monotonic", lambda: now)
    beat = Heartbeat("ladder-w32-d1", 1000, "tokens")
    beat.update(100)  # resumed: a hundred were there
    now = 5.0
    beat.update(150)
    assert capsys.readouterr().err == ""
    now = 10.0
    beat.update(200, "loss 4.1")
    line = capsys.readouterr().err
    assert line == (
        "ladder-w32-d1: 200/1,000 tokens (20%), loss 4.1, 10 tokens/s, 0:10, 1:20 to go\n"
    )
