//! Names that the catalog does not have. Somebody may have created what they name since it was read: then the session learns of
//! it before the verdict stands.

use crate::model::catalog::Catalog;
use crate::sql::access::Resolution;
use crate::sql::functions;
use crate::sql::second_opinion::{NamedObject, OutlineStatement};

/// Whether the statement names a relation, a function or a type that is not known.
pub(super) fn is_named(catalog: &Catalog, outline: &OutlineStatement, resolution: &Resolution) -> bool {
    resolution.relations.iter().any(|mention| mention.relation.is_none())
        || outline.functions.iter().any(|function| !knows_function(catalog, function))
        || outline.types.iter().any(|ty| !knows_type(catalog, ty))
}

fn knows_function(catalog: &Catalog, named: &NamedObject) -> bool {
    match named.parts.as_slice() {
        [name] => functions::is_known(name) || catalog.functions.iter().any(|f| &*f.name == name),
        [schema, _] if schema == "pg_catalog" => true,
        [schema, name] => catalog.functions.iter().any(|f| &*f.schema == schema && &*f.name == name),
        _ => true,
    }
}

/// Types without a schema are mostly those of `pg_catalog`, which the catalog does not list.
fn knows_type(catalog: &Catalog, named: &NamedObject) -> bool {
    match named.parts.as_slice() {
        [schema, name] if schema != "pg_catalog" => {
            catalog.types.iter().any(|ty| &*ty.schema == schema && &*ty.name == name)
        }
        _ => true,
    }
}
