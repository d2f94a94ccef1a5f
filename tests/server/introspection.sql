-- What tools ask of the catalogs when they connect, list objects and describe them, in the shapes in which they ask.
-- `-- # name` begins a tool; `-- ~ reason` before a question says that a governed session gets another answer on purpose.

-- # Npgsql: types
SELECT ns.nspname, t.oid, t.typname, t.typtype, t.typnotnull, t.elemtypoid
  FROM (SELECT typ.oid, typ.typnamespace, typ.typname, typ.typtype, typ.typrelid, typ.typnotnull, typ.relkind,
               elemtyp.oid AS elemtypoid, elemtyp.typname AS elemtypname, elemcls.relkind AS elemrelkind,
               CASE WHEN elemproc.proname = 'array_recv' THEN 'a' ELSE elemtyp.typtype END AS elemtyptype
          FROM (SELECT typ.oid, typnamespace, typname, typrelid, typnotnull, relkind, typelem AS elemoid,
                       CASE WHEN proc.proname = 'array_recv' THEN 'a' ELSE typ.typtype END AS typtype,
                       CASE WHEN proc.proname = 'array_recv' THEN typ.typelem
                            WHEN typ.typtype = 'r' THEN rngsubtype
                            WHEN typ.typtype = 'm' THEN (SELECT rngtypid FROM pg_range WHERE rngmultitypid = typ.oid)
                            WHEN typ.typtype = 'd' THEN typ.typbasetype END AS elemtypoid
                  FROM pg_type AS typ
                  LEFT JOIN pg_class AS cls ON (cls.oid = typ.typrelid)
                  LEFT JOIN pg_proc AS proc ON proc.oid = typ.typreceive
                  LEFT JOIN pg_range ON (pg_range.rngtypid = typ.oid)) AS typ
          LEFT JOIN pg_type AS elemtyp ON elemtyp.oid = elemtypoid
          LEFT JOIN pg_class AS elemcls ON (elemcls.oid = elemtyp.typrelid)
          LEFT JOIN pg_proc AS elemproc ON elemproc.oid = elemtyp.typreceive) AS t
  JOIN pg_namespace AS ns ON (ns.oid = typnamespace)
 WHERE typtype IN ('b', 'r', 'm', 'e', 'd') OR (typtype = 'c' AND relkind = 'c') OR (typtype = 'p' AND typname IN ('record', 'void'))
 ORDER BY CASE WHEN typtype IN ('b', 'e', 'p') THEN 0 WHEN typtype = 'r' THEN 1 ELSE 2 END, t.oid;
SELECT typ.oid, att.attname, att.atttypid FROM pg_type AS typ
  JOIN pg_namespace AS ns ON (ns.oid = typ.typnamespace)
  JOIN pg_class AS cls ON (cls.oid = typ.typrelid)
  JOIN pg_attribute AS att ON (att.attrelid = typ.typrelid)
 WHERE (typ.typtype = 'c' AND cls.relkind = 'c') AND attnum > 0 AND NOT attisdropped ORDER BY typ.oid, att.attnum;
SELECT pg_type.oid, enumlabel FROM pg_enum JOIN pg_type ON pg_type.oid = enumtypid ORDER BY oid, enumsortorder;

-- # asyncpg: a type and what it is made of
WITH RECURSIVE typeinfo_tree(oid, ns, name, kind, basetype, elemtype, attrtypoids, depth) AS (
    SELECT t.oid, n.nspname, t.typname, t.typtype, t.typbasetype, t.typelem,
           (SELECT array_agg(ia.atttypid ORDER BY ia.attnum) FROM pg_attribute ia JOIN pg_class c ON ia.attrelid = c.oid
             WHERE ia.attnum > 0 AND NOT ia.attisdropped AND c.reltype = t.oid), 0
      FROM pg_catalog.pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
     WHERE t.typname = ANY(ARRAY['_address', 'code', 'span']::text[])
    UNION ALL
    SELECT ti.oid, n.nspname, ti.typname, ti.typtype, ti.typbasetype, ti.typelem, NULL::oid[], tt.depth + 1
      FROM pg_type ti JOIN pg_namespace n ON n.oid = ti.typnamespace, typeinfo_tree tt
     WHERE (tt.elemtype IS NOT NULL AND ti.oid = tt.elemtype) OR (tt.attrtypoids IS NOT NULL AND ti.oid = any(tt.attrtypoids)))
SELECT DISTINCT *, basetype::regtype::text AS basetype_name, elemtype::regtype::text AS elemtype_name
  FROM typeinfo_tree ORDER BY depth DESC, oid;

-- # SQLAlchemy: columns, constraints, indexes
SELECT pg_catalog.pg_attribute.attname AS name, pg_catalog.format_type(pg_catalog.pg_attribute.atttypid, pg_catalog.pg_attribute.atttypmod) AS format_type,
       (SELECT pg_catalog.pg_get_expr(pg_catalog.pg_attrdef.adbin, pg_catalog.pg_attrdef.adrelid) AS pg_get_expr_1 FROM pg_catalog.pg_attrdef
         WHERE pg_catalog.pg_attrdef.adrelid = pg_catalog.pg_attribute.attrelid AND pg_catalog.pg_attrdef.adnum = pg_catalog.pg_attribute.attnum
           AND pg_catalog.pg_attribute.atthasdef) AS "default",
       pg_catalog.pg_attribute.attnotnull AS not_null, pg_catalog.pg_class.relname AS table_name, pg_catalog.pg_description.description AS comment,
       pg_catalog.pg_attribute.attgenerated AS generated,
       (SELECT json_build_object('always', pg_catalog.pg_attribute.attidentity = 'a', 'start', pg_catalog.pg_sequence.seqstart,
               'increment', pg_catalog.pg_sequence.seqincrement, 'cycle', pg_catalog.pg_sequence.seqcycle) AS json_build_object_1
          FROM pg_catalog.pg_sequence
         WHERE pg_catalog.pg_attribute.attidentity != '' AND pg_catalog.pg_sequence.seqrelid = CAST(CAST(pg_catalog.pg_get_serial_sequence(
               CAST(CAST(pg_catalog.pg_attribute.attrelid AS REGCLASS) AS TEXT), pg_catalog.pg_attribute.attname) AS REGCLASS) AS OID)) AS identity_options
  FROM pg_catalog.pg_class
  LEFT OUTER JOIN pg_catalog.pg_attribute ON pg_catalog.pg_class.oid = pg_catalog.pg_attribute.attrelid AND pg_catalog.pg_attribute.attnum > 0
   AND NOT pg_catalog.pg_attribute.attisdropped
  LEFT OUTER JOIN pg_catalog.pg_description ON pg_catalog.pg_description.objoid = pg_catalog.pg_attribute.attrelid
   AND pg_catalog.pg_description.objsubid = pg_catalog.pg_attribute.attnum
  JOIN pg_catalog.pg_namespace ON pg_catalog.pg_namespace.oid = pg_catalog.pg_class.relnamespace
 WHERE pg_catalog.pg_class.relkind = ANY (ARRAY['r', 'p', 'f', 'v', 'm']) AND pg_catalog.pg_table_is_visible(pg_catalog.pg_class.oid)
   AND pg_catalog.pg_namespace.nspname != 'pg_catalog' AND pg_catalog.pg_class.relname IN ('members', 'orders', 'events')
 ORDER BY pg_catalog.pg_class.relname, pg_catalog.pg_attribute.attnum;
SELECT r.conname, pg_catalog.pg_get_constraintdef(r.oid, true) AS condef, n.nspname AS conschema
  FROM pg_catalog.pg_constraint r, pg_namespace n, pg_class c
 WHERE r.conrelid = 'public.orders'::regclass AND r.contype IN ('f', 'c') AND c.oid = confrelid AND n.oid = c.relnamespace ORDER BY 1;
SELECT pg_get_constraintdef(c.oid, true), c.conname FROM pg_constraint c WHERE c.conrelid = 'members'::regclass ORDER BY 2;

-- # Django: inspectdb
SELECT c.relname, CASE WHEN c.relispartition THEN 'p' WHEN c.relkind IN ('m', 'v') THEN 'v' ELSE 't' END, obj_description(c.oid, 'pg_class')
  FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v') AND n.nspname NOT IN ('pg_catalog', 'pg_toast') AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1;
SELECT indexname, array_agg(attname ORDER BY arridx), indisunique, indisprimary, array_agg(ordering ORDER BY arridx), amname, exprdef, s2.attoptions
  FROM (SELECT c2.relname AS indexname, idx.*, attr.attname, am.amname,
               CASE WHEN idx.indexprs IS NOT NULL THEN pg_get_indexdef(idx.indexrelid) END AS exprdef,
               CASE am.amname WHEN 'btree' THEN CASE (option & 1) WHEN 1 THEN 'DESC' ELSE 'ASC' END END AS ordering, c2.reloptions AS attoptions
          FROM (SELECT * FROM pg_index i, unnest(i.indkey, i.indoption) WITH ORDINALITY koi(key, option, arridx)) idx
          LEFT JOIN pg_class c ON idx.indrelid = c.oid
          LEFT JOIN pg_class c2 ON idx.indexrelid = c2.oid
          LEFT JOIN pg_am am ON c2.relam = am.oid
          LEFT JOIN pg_attribute attr ON attr.attrelid = c.oid AND attr.attnum = idx.key
         WHERE c.relname = 'members' AND pg_catalog.pg_table_is_visible(c.oid)) s2
 GROUP BY indexname, indisunique, indisprimary, amname, exprdef, attoptions ORDER BY 1;

-- # Rails: structure of a table
SELECT a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), a.attnotnull, a.atttypid, a.atttypmod,
       c.collname, col_description(a.attrelid, a.attnum) AS comment, attidentity AS identity, attgenerated as attgenerated
  FROM pg_attribute a
  LEFT JOIN pg_attrdef d ON a.attrelid = d.adrelid AND a.attnum = d.adnum
  LEFT JOIN pg_type t ON a.atttypid = t.oid
  LEFT JOIN pg_collation c ON a.attcollation = c.oid AND a.attcollation <> t.typcollation
 WHERE a.attrelid = '"members"'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum;
SELECT distinct i.relname, d.indisunique, d.indkey::text, pg_get_indexdef(d.indexrelid), pg_catalog.obj_description(i.oid, 'pg_class') AS comment, d.indisvalid
  FROM pg_class t INNER JOIN pg_index d ON t.oid = d.indrelid INNER JOIN pg_class i ON d.indexrelid = i.oid
  LEFT JOIN pg_namespace n ON n.oid = t.relnamespace
 WHERE i.relkind IN ('i', 'I') AND d.indisprimary = 'f' AND t.relname = 'members' AND n.nspname = ANY (current_schemas(false)) ORDER BY i.relname;
SELECT t.oid, t.typname, t.typelem, t.typdelim, t.typinput, r.rngsubtype, t.typtype, t.typbasetype
  FROM pg_type as t LEFT JOIN pg_range as r ON oid = rngtypid
 WHERE t.typname IN ('int2', 'int4', 'text', 'bool', 'tier', 'span') OR t.typtype IN ('r', 'e', 'd') OR t.typinput = 'array_in(cstring,oid,integer)'::regprocedure
    OR t.typelem != 0 ORDER BY t.oid;
SELECT conname, pg_get_constraintdef(c.oid, true) AS constraintdef, c.convalidated AS valid
  FROM pg_constraint c JOIN pg_class t ON c.conrelid = t.oid JOIN pg_namespace n ON n.oid = c.connamespace
 WHERE c.contype = 'c' AND t.relname = 'members' AND n.nspname = ANY (current_schemas(false)) ORDER BY 1;

-- # Prisma: everything of a schema
SELECT oid.namespace, info.table_name, info.column_name, format_type(att.atttypid, att.atttypmod) as formatted_type, info.numeric_precision,
       info.numeric_scale, info.character_maximum_length, info.data_type, pg_get_expr(attdef.adbin, attdef.adrelid) AS column_default,
       info.is_nullable, info.is_identity, description.description
  FROM information_schema.columns info
  JOIN pg_attribute att ON att.attname = info.column_name
  JOIN (SELECT pg_class.oid, relname, pg_namespace.nspname as namespace FROM pg_class
          JOIN pg_namespace on pg_namespace.oid = pg_class.relnamespace AND pg_namespace.nspname = ANY (ARRAY['public'])
         WHERE reltype > 0) as oid on oid.oid = att.attrelid AND relname = info.table_name AND namespace = info.table_schema
  LEFT JOIN pg_attrdef attdef ON attdef.adrelid = att.attrelid AND attdef.adnum = att.attnum AND table_schema = namespace
  LEFT JOIN pg_description description ON description.objoid = att.attrelid AND description.objsubid = ordinal_position
 WHERE table_schema = ANY (ARRAY['public']) AND info.table_name <> 'customers' ORDER BY namespace, table_name, ordinal_position;
WITH rawindex AS (
    SELECT indrelid, indexrelid, indisunique, indisprimary, unnest(indkey) AS indkeyid, generate_subscripts(indkey, 1) AS indkeyidx,
           unnest(indclass) AS indclass, unnest(indoption) AS indoption
      FROM pg_index WHERE indpred IS NULL AND NOT indisexclusion)
SELECT schemainfo.nspname AS namespace, indexinfo.relname AS index_name, tableinfo.relname AS table_name, columninfo.attname AS column_name,
       rawindex.indisunique AS is_unique, rawindex.indisprimary AS is_primary_key, rawindex.indkeyidx AS column_index, opclass.opcname AS opclass,
       indexaccess.amname AS index_algo, CASE rawindex.indoption & 1 WHEN 1 THEN 'DESC' ELSE 'ASC' END AS column_order, pc.condeferrable
  FROM rawindex
  INNER JOIN pg_class AS tableinfo ON tableinfo.oid = rawindex.indrelid
  INNER JOIN pg_class AS indexinfo ON indexinfo.oid = rawindex.indexrelid
  INNER JOIN pg_namespace AS schemainfo ON schemainfo.oid = tableinfo.relnamespace
  LEFT JOIN pg_attribute AS columninfo ON columninfo.attrelid = tableinfo.oid AND columninfo.attnum = rawindex.indkeyid
  INNER JOIN pg_am AS indexaccess ON indexaccess.oid = indexinfo.relam
  LEFT JOIN pg_opclass AS opclass ON opclass.oid = rawindex.indclass
  LEFT JOIN pg_constraint pc ON rawindex.indexrelid = pc.conindid AND pc.contype <> 'f'
 WHERE schemainfo.nspname = ANY (ARRAY['public']) ORDER BY namespace, table_name, index_name, column_index;

-- # DBeaver: databases, schemas, tables, keys
SELECT db.oid, db.* FROM pg_catalog.pg_database db WHERE datallowconn AND NOT datistemplate AND db.datname = current_database();
SELECT n.oid, n.*, d.description FROM pg_catalog.pg_namespace n
  LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = n.oid AND d.objsubid = 0 AND d.classoid = 'pg_namespace'::regclass ORDER BY nspname;
SELECT c.oid, c.*, d.description, pg_catalog.pg_get_expr(c.relpartbound, c.oid) as partition_expr, pg_catalog.pg_get_partkeydef(c.oid) as partition_key
  FROM pg_catalog.pg_class c
  LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = c.oid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind NOT IN ('i', 'I', 'c') ORDER BY c.oid;
SELECT c.relname, a.*, pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) as def_value, dsc.description, dep.objid
  FROM pg_catalog.pg_attribute a
  INNER JOIN pg_catalog.pg_class c ON (a.attrelid = c.oid)
  LEFT OUTER JOIN pg_catalog.pg_attrdef ad ON (a.attrelid = ad.adrelid AND a.attnum = ad.adnum)
  LEFT OUTER JOIN pg_catalog.pg_description dsc ON (c.oid = dsc.objoid AND a.attnum = dsc.objsubid)
  LEFT OUTER JOIN pg_depend dep on dep.refobjid = a.attrelid AND dep.deptype = 'i' and dep.refobjsubid = a.attnum and dep.classid = dep.refclassid
 WHERE NOT a.attisdropped AND c.relname = 'members' ORDER BY a.attnum;
SELECT c.oid, c.*, t.relname as tabrelname, rt.relnamespace as refnamespace, d.description,
       case when c.contype = 'c' then substring(pg_get_constraintdef(c.oid), 7) else null end consrc_copy
  FROM pg_catalog.pg_constraint c
  INNER JOIN pg_catalog.pg_class t ON t.oid = c.conrelid
  LEFT OUTER JOIN pg_catalog.pg_class rt ON rt.oid = c.confrelid
  LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = c.oid AND d.objsubid = 0 AND d.classoid = 'pg_constraint'::regclass
 WHERE c.conrelid = 'members'::regclass ORDER BY c.oid;
SELECT i.*, i.indkey as keys, c.relname, c.relnamespace, c.relam, c.reltablespace, tc.relname as tabrelname, dsc.description,
       pg_catalog.pg_get_expr(i.indpred, i.indrelid) as pred_expr, pg_catalog.pg_get_expr(i.indexprs, i.indrelid, true) as expr
  FROM pg_catalog.pg_index i
  INNER JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
  INNER JOIN pg_catalog.pg_class tc ON tc.oid = i.indrelid
  LEFT OUTER JOIN pg_catalog.pg_description dsc ON i.indexrelid = dsc.objoid
 WHERE i.indrelid = 'members'::regclass ORDER BY tabrelname, c.relname;
SELECT p.oid, p.proname, p.prokind, l.lanname, pg_get_function_identity_arguments(p.oid), pg_get_function_result(p.oid)
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang WHERE p.pronamespace = 'public'::regnamespace ORDER BY p.oid;
SELECT x.oid, x.*, p.relname FROM pg_catalog.pg_trigger x JOIN pg_catalog.pg_class p ON p.oid = x.tgrelid WHERE NOT x.tgisinternal AND x.tgnargs = 0;
SELECT a.oid, a.*, pd.description FROM pg_catalog.pg_roles a LEFT JOIN pg_catalog.pg_shdescription pd ON a.oid = pd.objoid WHERE a.rolname = 'support';

-- # DataGrip: sources by transaction number
SELECT N.oid::bigint as id, datname as name, D.description, datistemplate as is_template, datallowconn as allow_connections, pg_catalog.pg_get_userbyid(N.datdba) as owner
  FROM pg_catalog.pg_database N LEFT JOIN pg_catalog.pg_shdescription D ON N.oid = D.objoid
 WHERE datname = pg_catalog.current_database() ORDER BY 2;
SELECT T.relkind as table_kind, T.relname as table_name, T.oid as table_id, T.xmin as table_state_number, T.relhasoids as t
  FROM (SELECT *, false AS relhasoids FROM (SELECT oid, xmin, relkind, relname, relnamespace FROM pg_catalog.pg_class) p) T
 WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'm', 'v', 'f', 'p') ORDER BY table_kind, table_id;
WITH T AS (SELECT T.oid AS table_id, T.relname AS table_name FROM pg_catalog.pg_class T WHERE T.relnamespace = 'public'::regnamespace AND T.relkind IN ('r', 'p'))
SELECT table_id, C.attnum AS column_position, C.attname AS column_name, C.xmin AS column_state_number, C.atttypmod AS type_mod, C.attndims AS dimensions_number,
       pg_catalog.format_type(C.atttypid, C.atttypmod) AS type_spec, C.attnotnull AS mandatory, pg_catalog.pg_get_expr(D.adbin, T.table_id) AS column_default_expression,
       NOT C.attislocal AS column_is_inherited, C.attidentity, C.attgenerated
  FROM T INNER JOIN pg_catalog.pg_attribute C ON T.table_id = C.attrelid
  LEFT JOIN pg_catalog.pg_attrdef D ON (C.attrelid, C.attnum) = (D.adrelid, D.adnum)
 WHERE attnum > 0 AND NOT attisdropped AND T.table_name <> 'customers' ORDER BY table_id, attnum;
SELECT T.relkind as view_kind, T.oid as view_id, pg_catalog.pg_get_viewdef(T.oid, true) as source_text
  FROM pg_catalog.pg_class T JOIN pg_catalog.pg_namespace N ON T.relnamespace = N.oid
 WHERE N.nspname = 'public' AND T.relkind in ('m', 'v') ORDER BY view_id;
SELECT pg_catalog.pg_is_in_recovery(), current_setting('server_version_num')::int, current_database(), current_user, pg_catalog.version() LIKE 'PostgreSQL%';

-- # pgAdmin: dashboard, trees
SELECT oid as id, rolname as name, rolsuper as is_superuser, CASE WHEN rolsuper THEN true ELSE rolcreaterole END as can_create_role FROM pg_catalog.pg_roles WHERE rolname = current_user;
SELECT nsp.oid, nsp.nspname as name, pg_catalog.has_schema_privilege(nsp.oid, 'CREATE') as can_create, pg_catalog.has_schema_privilege(nsp.oid, 'USAGE') as has_usage
  FROM pg_catalog.pg_namespace nsp WHERE nspname NOT LIKE E'pg\\_%' AND NOT (nsp.nspname = 'information_schema') ORDER BY nspname;
SELECT rel.oid, rel.relname AS name, (SELECT pg_catalog.count(*) FROM pg_catalog.pg_trigger WHERE tgrelid = rel.oid AND tgisinternal = FALSE) AS triggercount,
       (CASE WHEN rel.relkind = 'p' THEN true ELSE false END) AS is_partitioned, rel.relkind
  FROM pg_catalog.pg_class rel WHERE rel.relkind IN ('r', 's', 't', 'p') AND rel.relnamespace = 'public'::regnamespace AND NOT rel.relispartition ORDER BY rel.relname;
SELECT pid, datname, usename, application_name, client_addr IS NULL, state, wait_event, pg_catalog.pg_blocking_pids(pid) AS blocking_pids FROM pg_catalog.pg_stat_activity WHERE false ORDER BY pid;
SELECT att.attname, att.attnum, pg_catalog.pg_get_expr(def.adbin, def.adrelid) AS defval, pg_catalog.format_type(ty.oid, NULL) AS typname,
       CASE WHEN length(coll.collname::text) > 0 THEN pg_catalog.concat(pg_catalog.quote_ident(nspc.nspname), '.', pg_catalog.quote_ident(coll.collname)) ELSE '' END AS collspcname,
       EXISTS(SELECT 1 FROM pg_catalog.pg_constraint WHERE conrelid = att.attrelid AND contype = 'f' AND att.attnum = ANY(conkey)) As isfk,
       (SELECT pg_catalog.array_agg(provider || '=' || label) FROM pg_catalog.pg_seclabels sl1 WHERE sl1.objoid = att.attrelid AND sl1.objsubid = att.attnum) AS seclabels
  FROM pg_catalog.pg_attribute att
  JOIN pg_catalog.pg_type ty ON ty.oid = atttypid
  LEFT OUTER JOIN pg_catalog.pg_attrdef def ON adrelid = att.attrelid AND adnum = att.attnum
  LEFT OUTER JOIN pg_catalog.pg_collation coll ON att.attcollation = coll.oid
  LEFT OUTER JOIN pg_catalog.pg_namespace nspc ON coll.collnamespace = nspc.oid
 WHERE att.attrelid = 'members'::regclass AND att.attnum > 0 AND att.attisdropped IS FALSE ORDER BY att.attnum;
SELECT c.oid, conname as name, pg_catalog.pg_get_constraintdef(c.oid, true) as definition, convalidated, description as comment, nsp.nspname AS schema
  FROM pg_catalog.pg_constraint c LEFT JOIN pg_catalog.pg_description d ON d.objoid = c.oid JOIN pg_catalog.pg_namespace nsp ON nsp.oid = c.connamespace
 WHERE contype = 'c' AND conrelid = 'members'::regclass ORDER BY conname;
SELECT pg_catalog.pg_size_pretty(pg_catalog.pg_relation_size('order_items')), pg_catalog.pg_table_size('order_items') > 0, pg_catalog.pg_total_relation_size('order_items') > 0;
SELECT rw.oid, rw.rulename, pg_catalog.pg_get_ruledef(rw.oid, true) AS definition FROM pg_catalog.pg_rewrite rw WHERE rw.ev_class = 'plain_members'::regclass ORDER BY 2;

-- # Metabase: sync
SELECT n.nspname AS schema, c.relname AS name, CASE c.relkind WHEN 'r' THEN 'TABLE' WHEN 'p' THEN 'PARTITIONED TABLE' WHEN 'v' THEN 'VIEW' WHEN 'f' THEN 'FOREIGN TABLE'
            WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE NULL END AS type, d.description AS description, NULLIF(stat.n_live_tup, 0) IS NULL AS estimated_row_count
  FROM pg_catalog.pg_class AS c
  INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
  LEFT JOIN pg_catalog.pg_description AS d ON c.oid = d.objoid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass
  LEFT JOIN pg_stat_user_tables AS stat ON n.nspname = stat.schemaname AND c.relname = stat.relname AND false
 WHERE c.relnamespace = n.oid AND (n.nspname !~ '^pg_') AND (n.nspname <> 'information_schema') AND c.relkind IN ('r', 'p', 'v', 'f', 'm') AND n.nspname IN ('public', 'audit')
 ORDER BY type ASC, schema ASC, name ASC;
SELECT c.column_name AS name, CASE WHEN c.udt_schema IN ('public', 'pg_catalog') THEN FORMAT('%s', c.udt_name) ELSE FORMAT('"%s"."%s"', c.udt_schema, c.udt_name) END AS "database-type",
       c.ordinal_position - 1 AS "database-position", c.table_schema, c.table_name, pk.column_name IS NOT NULL AS "pk?",
       col_description(CAST(CAST(FORMAT('%I.%I', CAST(c.table_schema AS TEXT), CAST(c.table_name AS TEXT)) AS REGCLASS) AS OID), c.ordinal_position) AS "field-comment",
       ((column_default IS NULL) OR (LOWER(column_default) = 'null')) AND (is_nullable = 'NO') AND NOT (((column_default IS NOT NULL)
         AND (column_default LIKE '%nextval(%')) OR (is_identity <> 'NO')) AS "database-required"
  FROM information_schema.columns AS c
  LEFT JOIN (SELECT tc.table_schema, tc.table_name, kc.column_name FROM information_schema.table_constraints AS tc
              INNER JOIN information_schema.key_column_usage AS kc ON (tc.constraint_name = kc.constraint_name) AND (tc.table_schema = kc.table_schema) AND (tc.table_name = kc.table_name)
              WHERE tc.constraint_type = 'PRIMARY KEY') AS pk ON (c.table_schema = pk.table_schema) AND (c.table_name = pk.table_name) AND (c.column_name = pk.column_name)
 WHERE c.table_schema !~ '^information_schema|catalog_history|pg_' AND c.table_name IN ('members', 'orders', 'payments')
 ORDER BY c.table_schema, c.table_name, "database-position";
WITH table_privileges AS (
    SELECT NULL AS role, t.schemaname AS schema, t.objectname AS table,
           pg_catalog.has_any_column_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"' || '.' || '"' || replace(t.objectname, '"', '""') || '"', 'update') AS update,
           pg_catalog.has_table_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"' || '.' || '"' || replace(t.objectname, '"', '""') || '"', 'select') AS select
      FROM (SELECT schemaname, tablename AS objectname FROM pg_catalog.pg_tables UNION SELECT schemaname, viewname FROM pg_views UNION SELECT schemaname, matviewname FROM pg_matviews) t
     WHERE t.schemaname !~ '^pg_' AND t.schemaname <> 'information_schema' AND pg_catalog.has_schema_privilege(current_user, t.schemaname, 'usage'))
SELECT t.* FROM table_privileges t WHERE t.select OR t.update ORDER BY 2, 3;

-- # Power BI, Tableau, ODBC
select TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE from INFORMATION_SCHEMA.tables where TABLE_SCHEMA not in ('information_schema', 'pg_catalog') order by TABLE_SCHEMA, TABLE_NAME;
select COLUMN_NAME, ORDINAL_POSITION, IS_NULLABLE, case when (data_type like '%unsigned%') then DATA_TYPE || ' unsigned' else DATA_TYPE end as DATA_TYPE
  from INFORMATION_SCHEMA.columns where TABLE_SCHEMA = 'public' and TABLE_NAME = 'customers' order by TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION;
select i.CONSTRAINT_SCHEMA || '_' || i.CONSTRAINT_NAME as INDEX_NAME, ii.COLUMN_NAME, ii.ORDINAL_POSITION, case when i.CONSTRAINT_TYPE = 'PRIMARY KEY' then 'Y' else 'N' end as PRIMARY_KEY
  from INFORMATION_SCHEMA.table_constraints i inner join INFORMATION_SCHEMA.key_column_usage ii
    on i.CONSTRAINT_SCHEMA = ii.CONSTRAINT_SCHEMA and i.CONSTRAINT_NAME = ii.CONSTRAINT_NAME and i.TABLE_SCHEMA = ii.TABLE_SCHEMA and i.TABLE_NAME = ii.TABLE_NAME
 where i.TABLE_SCHEMA = 'public' and i.TABLE_NAME = 'members' and i.CONSTRAINT_TYPE in ('PRIMARY KEY', 'UNIQUE')
 order by i.CONSTRAINT_SCHEMA || '_' || i.CONSTRAINT_NAME, ii.TABLE_SCHEMA, ii.TABLE_NAME, ii.ORDINAL_POSITION;
SELECT NULL, n.nspname, c.relname, a.attname, a.atttypid, t.typname, a.attnum, a.attlen, a.atttypmod, a.attnotnull, c.relhasrules, c.relkind, c.oid,
       pg_get_expr(d.adbin, d.adrelid), case t.typtype when 'd' then t.typbasetype else 0 end, t.typtypmod, case a.attidentity when 'a' then 'always' end
  FROM (((pg_catalog.pg_class c inner join pg_catalog.pg_namespace n on n.oid = c.relnamespace and c.relname like 'members' and n.nspname like 'public')
         inner join pg_catalog.pg_attribute a on (not a.attisdropped) and a.attnum > 0 and a.attrelid = c.oid)
        inner join pg_catalog.pg_type t on t.oid = a.atttypid)
  left outer join pg_attrdef d on a.atthasdef and d.adrelid = a.attrelid and d.adnum = a.attnum
 ORDER BY n.nspname, c.relname, attnum;

-- # information_schema
SELECT * FROM information_schema.tables WHERE table_schema = 'public' AND table_name <> 'distant' ORDER BY table_name;
SELECT * FROM information_schema.table_constraints WHERE table_schema = 'public' ORDER BY constraint_name;
SELECT * FROM information_schema.referential_constraints ORDER BY constraint_name;
SELECT * FROM information_schema.view_column_usage ORDER BY view_name, column_name;
SELECT * FROM information_schema.column_privileges WHERE table_name = 'customers' ORDER BY column_name, privilege_type, grantee;
SELECT * FROM information_schema.sequences ORDER BY sequence_name;
SELECT * FROM information_schema.triggered_update_columns;
SELECT view_definition FROM information_schema.views WHERE table_schema = 'public' ORDER BY table_name;

-- # What is closed on purpose
-- ~ defaults of protected tables
SELECT column_default FROM information_schema.columns WHERE table_name = 'customers' ORDER BY ordinal_position;
-- ~ sources of functions
SELECT prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY oid;
-- ~ statistics over values
SELECT tablename FROM pg_stats WHERE schemaname = 'public' ORDER BY 1;
-- ~ values of rows that were there before a column
SELECT count(attmissingval) + 1 / (CASE WHEN count(*) FILTER (WHERE atthasmissing) > count(attmissingval) THEN 0 ELSE 1 END) FROM pg_attribute;
-- ~ sizes of indexes
SELECT relpages FROM pg_class WHERE relname = 'customers_pkey';
SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'customers'::regclass ORDER BY adnum;
-- ~ constants in expressions as the server keeps them
SELECT adbin FROM pg_attrdef WHERE adrelid = 'orders'::regclass ORDER BY adnum;
-- ~ the same, beside their text
SELECT adbin, pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'orders'::regclass ORDER BY adnum;
-- ~ the same, through the alias of a join
SELECT j.adbin FROM (pg_attrdef d JOIN pg_class c ON c.oid = d.adrelid AND pg_get_expr(d.adbin, d.adrelid) <> '') AS j WHERE j.adrelid = 'orders'::regclass ORDER BY j.adnum;
