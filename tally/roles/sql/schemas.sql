select
    nspname,
    pg_get_userbyid(nspowner),
    coalesce((
        select jsonb_object_agg(grantee, privileges)
        from (
            select pg_get_userbyid(acl.grantee) as grantee, array_agg(lower(acl.privilege_type)) as privileges
            from aclexplode(nspacl) as acl
            where acl.grantee <> nspowner and pg_get_userbyid(acl.grantee) = any (%(roles)s)
            group by acl.grantee
        ) as granted
    ), '{}')
from pg_namespace
where nspname = any (%(schemas)s)
order by nspname
