select 'tally_postgres_size_bytes', '{}'::text[], pg_database_size(current_database())::float8
