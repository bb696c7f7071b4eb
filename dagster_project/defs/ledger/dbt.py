"""How the dbt project reads as assets: keys are schema and name, groups are the pipeline's stages."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings

from dagster_project.defs import stages
from dagster_project.lib.dbt_manifest import dbt_manifest
from tally.ledger.environment import PROJECT
from tally.page_addresses import dbt_docs_url
from tally.settings import load_settings

manifest = dbt_manifest(load_settings().home / "dbt")

# A staging view over a table of the domain core is that table under dbt's name for it: one node, not two, so that the
# lineage goes on where the table is written. tally.push_ledger is a view that sums the intents.
_TABLES = {node["name"]: dg.AssetKey([node["schema"], node["name"]]) for node in manifest["sources"].values()} | {
    "push_ledger": dg.AssetKey(["tally", "push_intents"])
}


class LedgerTranslator(DagsterDbtTranslator):
    """Names, groups and owners of the dbt models."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        schema, name = dbt_resource_props["schema"], dbt_resource_props["name"]
        if name == "stg_usage_events":
            return dg.AssetKey([schema, name])
        return _TABLES.get(name.removeprefix("stg_"), dg.AssetKey([schema, name]))

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        is_of_invoices = dbt_resource_props["name"].startswith(("reconciliation_", "invoice_", "event_invoice_"))
        return stages.RECONCILIATION if is_of_invoices else stages.LEDGER

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        return ["team:billing" if self.get_group_name(dbt_resource_props) == stages.RECONCILIATION else "team:metering"]

    def get_tags(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, str]:
        # Great Expectations judges this one (reconciliation/asset_checks.py).
        is_judged = dbt_resource_props["name"] == "reconciliation_lines"
        return {**super().get_tags(dbt_resource_props), **({"dagster/kind/greatexpectations": ""} if is_judged else {})}

    def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, Any]:
        # The manifest was parsed without a database, so it knows the schema and the table and nothing above.
        relation = relation_of(self.get_asset_key(dbt_resource_props))
        sql = PROJECT / dbt_resource_props["original_file_path"]
        return {
            **super().get_metadata(dbt_resource_props),
            "dagster/table_name": relation,
            "dbt docs": dg.MetadataValue.url(dbt_docs_url(load_settings(), dbt_resource_props["unique_id"])),
            "dagster/code_references": dg.CodeReferencesMetadataValue(
                code_references=[dg.LocalFileCodeReference(file_path=str(sql), line_number=1)]
            ),
        }


translator = LedgerTranslator(DagsterDbtTranslatorSettings(enable_asset_checks=False, enable_source_metadata=False))


def relation_of(key: dg.AssetKey) -> str:
    """`schema.name`, as the ledger names what it ran."""
    return ".".join(key.path)
