//! The names of commands that change the structure, as the server's command tags have them.

use pg_raw_parse::Node;
use pg_raw_parse::raw::ObjectType;

use super::ddl::Nature;

/// What ALTER and DROP of a kind of object are called.
const OBJECTS: &[(ObjectType::Type, &str, &str)] = &[
    (ObjectType::OBJECT_ACCESS_METHOD, "ALTER ACCESS METHOD", "DROP ACCESS METHOD"),
    (ObjectType::OBJECT_AGGREGATE, "ALTER AGGREGATE", "DROP AGGREGATE"),
    (ObjectType::OBJECT_CAST, "ALTER CAST", "DROP CAST"),
    (ObjectType::OBJECT_COLLATION, "ALTER COLLATION", "DROP COLLATION"),
    (ObjectType::OBJECT_CONVERSION, "ALTER CONVERSION", "DROP CONVERSION"),
    (ObjectType::OBJECT_DATABASE, "ALTER DATABASE", "DROP DATABASE"),
    (ObjectType::OBJECT_DOMAIN, "ALTER DOMAIN", "DROP DOMAIN"),
    (ObjectType::OBJECT_EVENT_TRIGGER, "ALTER EVENT TRIGGER", "DROP EVENT TRIGGER"),
    (ObjectType::OBJECT_EXTENSION, "ALTER EXTENSION", "DROP EXTENSION"),
    (ObjectType::OBJECT_FDW, "ALTER FOREIGN DATA WRAPPER", "DROP FOREIGN DATA WRAPPER"),
    (ObjectType::OBJECT_FOREIGN_SERVER, "ALTER SERVER", "DROP SERVER"),
    (ObjectType::OBJECT_FOREIGN_TABLE, "ALTER FOREIGN TABLE", "DROP FOREIGN TABLE"),
    (ObjectType::OBJECT_FUNCTION, "ALTER FUNCTION", "DROP FUNCTION"),
    (ObjectType::OBJECT_INDEX, "ALTER INDEX", "DROP INDEX"),
    (ObjectType::OBJECT_LANGUAGE, "ALTER LANGUAGE", "DROP LANGUAGE"),
    (ObjectType::OBJECT_MATVIEW, "ALTER MATERIALIZED VIEW", "DROP MATERIALIZED VIEW"),
    (ObjectType::OBJECT_OPCLASS, "ALTER OPERATOR CLASS", "DROP OPERATOR CLASS"),
    (ObjectType::OBJECT_OPERATOR, "ALTER OPERATOR", "DROP OPERATOR"),
    (ObjectType::OBJECT_OPFAMILY, "ALTER OPERATOR FAMILY", "DROP OPERATOR FAMILY"),
    (ObjectType::OBJECT_POLICY, "ALTER POLICY", "DROP POLICY"),
    (ObjectType::OBJECT_PROCEDURE, "ALTER PROCEDURE", "DROP PROCEDURE"),
    (ObjectType::OBJECT_PUBLICATION, "ALTER PUBLICATION", "DROP PUBLICATION"),
    (ObjectType::OBJECT_ROLE, "ALTER ROLE", "DROP ROLE"),
    (ObjectType::OBJECT_ROUTINE, "ALTER ROUTINE", "DROP ROUTINE"),
    (ObjectType::OBJECT_RULE, "ALTER RULE", "DROP RULE"),
    (ObjectType::OBJECT_SCHEMA, "ALTER SCHEMA", "DROP SCHEMA"),
    (ObjectType::OBJECT_SEQUENCE, "ALTER SEQUENCE", "DROP SEQUENCE"),
    (ObjectType::OBJECT_STATISTIC_EXT, "ALTER STATISTICS", "DROP STATISTICS"),
    (ObjectType::OBJECT_SUBSCRIPTION, "ALTER SUBSCRIPTION", "DROP SUBSCRIPTION"),
    (ObjectType::OBJECT_TABLE, "ALTER TABLE", "DROP TABLE"),
    (ObjectType::OBJECT_TABLESPACE, "ALTER TABLESPACE", "DROP TABLESPACE"),
    (ObjectType::OBJECT_TRANSFORM, "ALTER TRANSFORM", "DROP TRANSFORM"),
    (ObjectType::OBJECT_TRIGGER, "ALTER TRIGGER", "DROP TRIGGER"),
    (ObjectType::OBJECT_TSCONFIGURATION, "ALTER TEXT SEARCH CONFIGURATION", "DROP TEXT SEARCH CONFIGURATION"),
    (ObjectType::OBJECT_TSDICTIONARY, "ALTER TEXT SEARCH DICTIONARY", "DROP TEXT SEARCH DICTIONARY"),
    (ObjectType::OBJECT_TSPARSER, "ALTER TEXT SEARCH PARSER", "DROP TEXT SEARCH PARSER"),
    (ObjectType::OBJECT_TSTEMPLATE, "ALTER TEXT SEARCH TEMPLATE", "DROP TEXT SEARCH TEMPLATE"),
    (ObjectType::OBJECT_TYPE, "ALTER TYPE", "DROP TYPE"),
    (ObjectType::OBJECT_VIEW, "ALTER VIEW", "DROP VIEW"),
];

fn object(kind: ObjectType::Type) -> Option<&'static (ObjectType::Type, &'static str, &'static str)> {
    OBJECTS.iter().find(|(known, ..)| *known == kind)
}

/// ALTER of such an object.
pub(super) fn alter(kind: ObjectType::Type) -> &'static str {
    object(kind).map_or("ALTER", |(_, alter, _)| alter)
}

/// DROP of such an object.
pub(super) fn drop(kind: ObjectType::Type) -> &'static str {
    object(kind).map_or("DROP", |(.., drop)| drop)
}

/// Commands of which nothing more is told apart than what they are called and how far they reach.
pub(super) fn other(node: Node<'_>) -> Option<(&'static str, Nature)> {
    use Nature::{Beside, Blocking, Structure};
    Some(match node {
        Node::CreateSchemaStmt(_) => ("CREATE SCHEMA", Structure),
        Node::CreateFunctionStmt(create) if create.is_procedure => ("CREATE PROCEDURE", Structure),
        Node::CreateFunctionStmt(_) => ("CREATE FUNCTION", Structure),
        Node::AlterFunctionStmt(function) => (alter(function.objtype), Structure),
        Node::DefineStmt(_) => ("CREATE", Structure),
        Node::CreateEnumStmt(_) | Node::CompositeTypeStmt(_) | Node::CreateRangeStmt(_) => ("CREATE TYPE", Structure),
        Node::AlterEnumStmt(_) | Node::AlterTypeStmt(_) => ("ALTER TYPE", Structure),
        Node::CreateDomainStmt(_) => ("CREATE DOMAIN", Structure),
        Node::AlterDomainStmt(_) => ("ALTER DOMAIN", Structure),
        Node::CreateCastStmt(_) => ("CREATE CAST", Structure),
        Node::CreateConversionStmt(_) => ("CREATE CONVERSION", Structure),
        Node::CreateTransformStmt(_) => ("CREATE TRANSFORM", Structure),
        Node::CreateOpClassStmt(_) => ("CREATE OPERATOR CLASS", Structure),
        Node::CreateOpFamilyStmt(_) => ("CREATE OPERATOR FAMILY", Structure),
        Node::AlterOpFamilyStmt(_) => ("ALTER OPERATOR FAMILY", Structure),
        Node::AlterOperatorStmt(_) => ("ALTER OPERATOR", Structure),
        Node::AlterCollationStmt(_) => ("ALTER COLLATION", Structure),
        Node::AlterStatsStmt(_) => ("ALTER STATISTICS", Structure),
        Node::CreateAmStmt(_) => ("CREATE ACCESS METHOD", Structure),
        Node::CreatePLangStmt(_) => ("CREATE LANGUAGE", Structure),
        Node::CreateExtensionStmt(_) => ("CREATE EXTENSION", Structure),
        Node::AlterExtensionStmt(_) | Node::AlterExtensionContentsStmt(_) => ("ALTER EXTENSION", Structure),
        Node::CreateEventTrigStmt(_) => ("CREATE EVENT TRIGGER", Structure),
        Node::AlterEventTrigStmt(_) => ("ALTER EVENT TRIGGER", Structure),
        Node::AlterTSDictionaryStmt(_) => ("ALTER TEXT SEARCH DICTIONARY", Structure),
        Node::AlterTSConfigurationStmt(_) => ("ALTER TEXT SEARCH CONFIGURATION", Structure),
        Node::CreatePublicationStmt(_) => ("CREATE PUBLICATION", Structure),
        Node::AlterPublicationStmt(_) => ("ALTER PUBLICATION", Structure),
        Node::CreateSubscriptionStmt(_) => ("CREATE SUBSCRIPTION", Structure),
        Node::AlterSubscriptionStmt(_) => ("ALTER SUBSCRIPTION", Structure),
        Node::DropSubscriptionStmt(_) => ("DROP SUBSCRIPTION", Structure),
        Node::CreateFdwStmt(_) => ("CREATE FOREIGN DATA WRAPPER", Structure),
        Node::AlterFdwStmt(_) => ("ALTER FOREIGN DATA WRAPPER", Structure),
        Node::CreateForeignServerStmt(_) => ("CREATE SERVER", Structure),
        Node::AlterForeignServerStmt(_) => ("ALTER SERVER", Structure),
        Node::ImportForeignSchemaStmt(_) => ("IMPORT FOREIGN SCHEMA", Structure),
        Node::AlterObjectDependsStmt(depends) => (alter(depends.object_type), Structure),
        Node::AlterTableMoveAllStmt(_) => ("ALTER TABLE", Blocking),
        Node::GrantStmt(grant) if grant.is_grant => ("GRANT", Beside),
        Node::GrantStmt(_) => ("REVOKE", Beside),
        Node::GrantRoleStmt(grant) if grant.is_grant => ("GRANT ROLE", Beside),
        Node::GrantRoleStmt(_) => ("REVOKE ROLE", Beside),
        Node::AlterDefaultPrivilegesStmt(_) => ("ALTER DEFAULT PRIVILEGES", Beside),
        Node::CreateRoleStmt(_) => ("CREATE ROLE", Beside),
        Node::AlterRoleStmt(_) | Node::AlterRoleSetStmt(_) => ("ALTER ROLE", Beside),
        Node::DropRoleStmt(_) => ("DROP ROLE", Beside),
        Node::ReassignOwnedStmt(_) => ("REASSIGN OWNED", Beside),
        Node::CommentStmt(_) => ("COMMENT", Beside),
        Node::SecLabelStmt(_) => ("SECURITY LABEL", Beside),
        Node::CreateUserMappingStmt(_) => ("CREATE USER MAPPING", Beside),
        Node::AlterUserMappingStmt(_) => ("ALTER USER MAPPING", Beside),
        Node::DropUserMappingStmt(_) => ("DROP USER MAPPING", Beside),
        Node::CreatedbStmt(_) => ("CREATE DATABASE", Beside),
        Node::DropdbStmt(_) => ("DROP DATABASE", Beside),
        Node::AlterDatabaseStmt(_) | Node::AlterDatabaseSetStmt(_) | Node::AlterDatabaseRefreshCollStmt(_) => {
            ("ALTER DATABASE", Beside)
        }
        Node::CreateTableSpaceStmt(_) => ("CREATE TABLESPACE", Beside),
        Node::DropTableSpaceStmt(_) => ("DROP TABLESPACE", Beside),
        Node::AlterTableSpaceOptionsStmt(_) => ("ALTER TABLESPACE", Beside),
        _ => return None,
    })
}
