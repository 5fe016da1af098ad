from pathlib import Path
from types import SimpleNamespace

import pytest

from infogeo.jobs import logs
from infogeo.files.errors import InfogeoError


@pytest.fixture
def job(tmp_path):
    return SimpleNamespace(rule="dump", log=[str(tmp_path / "logs" / "dump.log")])


def test_a_users_error_ends_the_job_with_its_message_alone(job, capsys):
    with pytest.raises(SystemExit) as stop, logs.rule(job):
        print("begun")
        raise InfogeoError("models.tsv, row 2: no such thing")
    assert stop.value.code == 1
    log = (capsys.readouterr().err, Path(job.log[0]).read_text())
    for text in log:
        assert "models.tsv, row 2: no such thing" in text
        assert "Traceback" not in text
    assert "begun" in log[1]


def test_an_unforeseen_error_leaves_its_traceback_in_the_log(job):
    with pytest.raises(SystemExit), logs.rule(job):
        raise KeyError("oops")
    assert "Traceback" in Path(job.log[0]).read_text()
