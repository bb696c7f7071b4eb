-- Tables, views and sequences of our schemas. Partitions need an owner and no grants: they are reached by their parent.
select
    namespace.nspname,
    relation.relname,
    case relation.relkind when 'S' then 'sequence' when 'v' then 'view' else 'table' end,
    pg_get_userbyid(relation.relowner),
    relation.relispartition,
    exists (
        select from pg_depend
        where classid = 'pg_class'::regclass and objid = relation.oid and deptype in ('a', 'i') and refclassid = 'pg_class'::regclass
            and relation.relkind = 'S'
    ),
    coalesce((
        select jsonb_object_agg(grantee, privileges)
        from (
            select pg_get_userbyid(acl.grantee) as grantee, array_agg(lower(acl.privilege_type)) as privileges
            from aclexplode(relation.relacl) as acl
            where acl.grantee <> relation.relowner and pg_get_userbyid(acl.grantee) = any (%(roles)s)
            group by acl.grantee
        ) as granted
    ), '{}'),
    coalesce((
        select jsonb_object_agg(grantee || ' ' || privilege, columns)
        from (
            select pg_get_userbyid(acl.grantee) as grantee, lower(acl.privilege_type) as privilege, array_agg(attribute.attname) as columns
            from pg_attribute as attribute, aclexplode(attribute.attacl) as acl
            where attribute.attrelid = relation.oid and pg_get_userbyid(acl.grantee) = any (%(roles)s)
            group by acl.grantee, acl.privilege_type
        ) as granted
    ), '{}')
from pg_class as relation
inner join pg_namespace as namespace on namespace.oid = relation.relnamespace
where namespace.nspname = any (%(schemas)s) and relation.relkind in ('r', 'p', 'v', 'S')
order by namespace.nspname, relation.relname
