-- Our functions; of those that run with their owner's rights, who may call them. PUBLIC is "".
select
    namespace.nspname || '.' || function.proname,
    format('%%I.%%I(%%s)', namespace.nspname, function.proname, pg_get_function_identity_arguments(function.oid)),
    pg_get_userbyid(function.proowner),
    function.prosecdef,
    array(
        select case acl.grantee when 0 then '' else pg_get_userbyid(acl.grantee) end
        from aclexplode(coalesce(function.proacl, acldefault('f', function.proowner))) as acl
        where acl.grantee <> function.proowner
    )
from pg_proc as function
inner join pg_namespace as namespace on namespace.oid = function.pronamespace
where namespace.nspname = any (%(schemas)s)
order by 2
