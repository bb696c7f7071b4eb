-- What the door may show. Each view has the rows of the one tenant that the session names in tally.tenant_id, and none
-- while it names nobody: a statement of the door's that forgot its tenant shows nobody else's rows. The role tally_door
-- reads these and not the tables (docs/security.md). Row-level security would do the same, but refuses COPY, which lands
-- events. The views over dbt's models are made with them: dbt_project/macros/door_view.sql.
create schema door;
comment on schema door is 'Views for the ingest door''s reading routes: rows of the tenant in the session''s tally.tenant_id.';

create view door.usage_events as
select * from raw.usage_events where tenant_id = current_setting('tally.tenant_id', true);
comment on view door.usage_events is 'Deliveries of the session''s tenant.';

create view door.report_runs as
select * from tally.report_runs where tenant_id = current_setting('tally.tenant_id', true);
comment on view door.report_runs is 'Reconciliation reports of the session''s tenant.';

create view door.report_lines as
select * from tally.report_lines where tenant_id = current_setting('tally.tenant_id', true);
comment on view door.report_lines is 'Their lines, as each run found them.';

-- A partition is made by the owner of its table, and the door is not that.
alter function tally.ensure_partitions(date, date) security definer set search_path = pg_catalog, pg_temp;
