"""A world for this folder's tests: a database of its own, a local Stripe, and connections to be lost."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tally.database import connect
from tally.embedded_postgres import EmbeddedPostgres
from tests.simulation.postgres_side import PostgresSide
from tests.simulation.world import World, open_world

Played = tuple[World, PostgresSide]


@contextmanager
def _world(postgres: EmbeddedPostgres, template: str, folder: Path, *, streams: bool = False) -> Iterator[Played]:
    name = folder.name.replace("-", "_")
    with connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute(f"create database {name} template {template} strategy file_copy")
    with open_world(postgres.url(name), folder, streams=streams) as world:
        side = PostgresSide(world.terminate)
        yield world, side
        side.close()
    with connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute(f"drop database {name} with (force)")


@pytest.fixture(scope="module")
def played(
    postgres: EmbeddedPostgres, built_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Played]:
    """One world for a module's runs: each begins anew."""
    with _world(postgres, built_template, tmp_path_factory.mktemp("simulation")) as opened:
        yield opened


@pytest.fixture(scope="module")
def streamed(
    postgres: EmbeddedPostgres, built_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Played]:
    """The world of a live account whose meter events go by the v2 stream."""
    with _world(postgres, built_template, tmp_path_factory.mktemp("stream"), streams=True) as opened:
        yield opened
