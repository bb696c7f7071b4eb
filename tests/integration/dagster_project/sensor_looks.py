"""A sensor evaluated as the daemon does: its cursor kept, what it tells recorded; its runs are started by nobody."""

from functools import cache

import dagster as dg


@cache
def repository_of_this_process() -> dg.RepositoryDefinition:
    # Imported here: loading definitions reads the settings, which are the fixture's by now.
    from dagster_project.definitions import defs

    return defs().get_repository_def()


class Looks:
    """Repeated looks of one sensor on an instance. `reason`: why the last one started nothing."""

    def __init__(self, instance: dg.DagsterInstance, sensor: str) -> None:
        self.instance, self.sensor = instance, sensor
        self.cursor: str | None = None
        self.reason = ""

    def __call__(self) -> list[dg.RunRequest]:
        """The runs that one look asks for."""
        from dagster_project.defs.resources import Tally

        repository = repository_of_this_process()
        with dg.build_sensor_context(
            self.instance, cursor=self.cursor, repository_def=repository, resources={"tally": Tally()}
        ) as context:
            seen = repository.get_sensor_def(self.sensor).evaluate_tick(context)
        self.cursor, self.reason = seen.cursor, seen.skip_message or ""
        for event in seen.asset_events:
            self.instance.report_runless_asset_event(event)
        for request in seen.dynamic_partitions_requests or ():
            assert isinstance(request, dg.AddDynamicPartitionsRequest)
            self.instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
        return list(seen.run_requests or ())
