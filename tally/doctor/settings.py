"""The settings, each malformed variable by its name; and settings to go on with, without those."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from tally.doctor.result import Result, ok, warning, wrong
from tally.settings import Settings

CHECK = "settings"
_PREFIXES = ("TALLY_", "STRIPE_")
# Not settings, and read all the same: by dbt's profile, by Dagster's instance file, by the README's curl.
_OTHERS = {"TALLY_KEY", "TALLY_DAGSTER_URL"}
_OTHER_PREFIX = "TALLY_DB_"


class _Given(Settings):
    """Settings from what is given alone, past the environment."""

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def read_settings(environment: Mapping[str, str]) -> tuple[Settings, list[Result]]:
    """The settings that can be read, the faulty ones left at their defaults, and what was found."""
    names = {str(field.alias) for field in Settings.model_fields.values()}
    given = {name: value for name, value in environment.items() if name in names}
    faults: dict[str, str] = {}
    try:
        settings = _Given.model_validate(given)
    except ValidationError as error:
        faults = {".".join(map(str, fault["loc"])) or "settings": fault["msg"] for fault in error.errors()}
        settings = _Given.model_validate({name: value for name, value in given.items() if name not in faults})
    results = [
        wrong(CHECK, f"{name}: {said}", "`.env.example` says what the variable takes")
        for name, said in sorted(faults.items())
    ]
    results += _misspelt(environment, names)
    return settings, results or [ok(CHECK, f"{len(given)} of {len(names)} variables are set, all well-formed")]


def _misspelt(environment: Mapping[str, str], names: set[str]) -> Iterator[Result]:
    for name in sorted(environment):
        if not name.startswith(_PREFIXES) or name in names | _OTHERS or name.startswith(_OTHER_PREFIX):
            continue
        near = get_close_matches(name, names, 1)
        fix = f"is {near[0]} meant?" if near else "unset it; `.env.example` lists every variable"
        yield warning(CHECK, f"{name} is no variable of ours and has no effect", fix)
