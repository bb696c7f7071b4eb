select
    pg_get_userbyid(defaults.defaclrole),
    namespace.nspname,
    case defaults.defaclobjtype when 'r' then 'tables' else 'sequences' end,
    pg_get_userbyid(acl.grantee),
    array_agg(lower(acl.privilege_type))
from pg_default_acl as defaults
inner join pg_namespace as namespace on namespace.oid = defaults.defaclnamespace
cross join aclexplode(defaults.defaclacl) as acl
where defaults.defaclobjtype in ('r', 'S') and pg_get_userbyid(acl.grantee) = any (%(roles)s)
group by 1, 2, 3, 4
