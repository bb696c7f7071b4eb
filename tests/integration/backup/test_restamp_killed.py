"""kill -9 in the middle of a restamp: what is done stays done, and running it again does the rest."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from backed_up import bounds, contents, fill, usage
from metered_month import land

from tally.backup import BackupRefused, RestampRefused, backup, plan, restamp, restore
from tally.database import connect
from tally.ledger import Ledger


def quietly(table: str) -> None:
    pass


def test_a_killed_restamp_goes_on_where_it_stopped(built_database_url: str, empty_url: str, tmp_path: Path) -> None:
    with connect(built_database_url, autocommit=True) as source:
        source.execute("select tally.ensure_partitions('2024-01-04', '2024-01-05')")
        fill(source, built_database_url, tmp_path / "dbt")
        backup(built_database_url, tmp_path / "tally.backup", quietly)
        restore(empty_url, tmp_path / "tally.backup", quietly)
        Ledger(built_database_url, tmp_path / "dbt").tick()
        expected = contents(source)

    with connect(empty_url, autocommit=True) as restored, connect(empty_url) as in_the_way:
        in_the_way.execute("lock table raw.usage_events_default in share mode")
        command = [str(Path(sys.executable).with_name("tally")), "restore", "--restamp-only"]
        environment = os.environ | {"DATABASE_URL": empty_url, "TALLY_HOME": str(tmp_path)}
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while restored.execute("select count(*) from tally.restamped_relations").fetchone() != (2,):
            assert time.monotonic() < until, "the first partitions were never done"
            time.sleep(0.01)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        in_the_way.rollback()

        assert plan(restored).resumes
        with pytest.raises(BackupRefused, match="--restamp-only"):
            backup(empty_url, tmp_path / "half.backup", quietly)
        restamp(restored)
        Ledger(empty_url, tmp_path / "dbt").tick()
        assert contents(restored) == expected
        assert len(set(bounds(restored).values())) == 1
        land(restored, usage("h", 70, 60))
        assert [test.name for test in Ledger(empty_url, tmp_path / "dbt").build().failed] == []


def test_a_half_restamped_dump_is_refused(built_database_url: str) -> None:
    with connect(built_database_url, autocommit=True) as connection:
        connection.execute(
            "insert into tally.restamps (from_cluster, to_cluster, steps, unread_from) values ('1', '2', '{}', 0)"
        )
        with pytest.raises(RestampRefused, match="half"):
            restamp(connection)
