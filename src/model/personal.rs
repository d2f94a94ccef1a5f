//! Columns that look like personal data, by name and type. No value is ever looked at: a suspicion, to be reviewed.

use super::catalog::{BaseType, ColumnType};

/// What a column looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Category {
    /// The tag for it.
    pub tag: &'static str,
    /// The `classification` for it.
    pub classification: &'static str,
}

const fn confidential(tag: &'static str) -> Category {
    Category { tag, classification: "confidential" }
}

const fn restricted(tag: &'static str) -> Category {
    Category { tag, classification: "restricted" }
}

/// Names by their words, joined by `_`; the first that a name has in it counts.
const NAMES: &[(Category, &[&str])] = &[
    (
        restricted("pii.credentials"),
        &[
            "password",
            "passwd",
            "passphrase",
            "pwd",
            "secret",
            "api_key",
            "access_token",
            "refresh_token",
            "private_key",
            "otp",
            "pin_code",
        ],
    ),
    (
        restricted("pii.government_id"),
        &[
            "ssn",
            "social_security",
            "national_id",
            "passport",
            "tax_id",
            "tin",
            "vat_id",
            "driver_license",
            "drivers_license",
            "driving_licence",
            "identity_card",
            "nin",
        ],
    ),
    (
        restricted("pii.card"),
        &[
            "card_number",
            "card_no",
            "card_pan",
            "pan",
            "credit_card",
            "creditcard",
            "cvv",
            "cvc",
            "card_holder",
            "cardholder",
        ],
    ),
    (
        restricted("pii.bank_account"),
        &["iban", "bic", "swift", "account_number", "account_no", "bank_account", "routing_number", "sort_code"],
    ),
    (
        restricted("pii.special"),
        &[
            "religion",
            "ethnicity",
            "race",
            "political",
            "sexual_orientation",
            "diagnosis",
            "disability",
            "blood_type",
            "biometric",
            "fingerprint_data",
        ],
    ),
    (confidential("pii.email"), &["email", "e_mail", "mail_address", "emailaddress", "mail"]),
    (confidential("pii.phone"), &["phone", "telephone", "mobile", "cell", "cellphone", "fax", "msisdn", "phonenumber"]),
    (
        confidential("pii.birth_date"),
        &["birth_date", "birthdate", "birthday", "date_of_birth", "dob", "birth_year", "year_of_birth"],
    ),
    (
        confidential("pii.ip_address"),
        &["ip", "ip_address", "ipaddress", "ip_addr", "remote_addr", "client_addr", "remote_ip", "client_ip"],
    ),
    (
        confidential("pii.address"),
        &["address", "street", "house_number", "zip", "zipcode", "zip_code", "postcode", "postal_code", "address_line"],
    ),
    (confidential("pii.location"), &["latitude", "longitude", "geolocation", "lat", "lon", "lng"]),
    (
        confidential("pii.name"),
        &[
            "first_name",
            "firstname",
            "last_name",
            "lastname",
            "full_name",
            "fullname",
            "given_name",
            "family_name",
            "middle_name",
            "maiden_name",
            "surname",
            "forename",
            "nickname",
            "customer_name",
            "contact_name",
        ],
    ),
    (confidential("pii.gender"), &["gender", "sex"]),
    (confidential("pii.income"), &["salary", "wage", "income"]),
];

/// What a plain `name` belongs to a person in.
const PEOPLE: &[&str] = &[
    "customer",
    "user",
    "employee",
    "person",
    "people",
    "contact",
    "member",
    "patient",
    "client",
    "staff",
    "driver",
    "guest",
    "subscriber",
    "lead",
    "author",
    "student",
    "teacher",
    "applicant",
    "candidate",
    "citizen",
    "passenger",
];

/// Endings that make of a name what is about the data, not the data: `email_verified`, `phone_type`, `address_id`.
const ABOUT: &[&str] = &[
    "id",
    "count",
    "verified",
    "confirmed",
    "valid",
    "type",
    "kind",
    "status",
    "state",
    "enabled",
    "at",
    "on",
    "opt",
    "optin",
    "version",
    "expires",
    "expiry",
    "template",
    "subject",
    "length",
];

/// What a column of that name and type in a table of that name looks like, if it looks like personal data.
pub fn looks_like(table: &str, column: &str, ty: &ColumnType) -> Option<Category> {
    let words = words(column);
    let name = words.join("_");
    if ty.base == BaseType::Boolean {
        return None;
    }
    if let Some((category, _)) = NAMES.iter().find(|(_, names)| names.contains(&name.as_str())) {
        return fits(*category, ty).then_some(*category);
    }
    if words.last().is_some_and(|last| ABOUT.contains(&last.as_str())) {
        return None;
    }
    let padded = format!("_{name}_");
    let has = |(_, names): &&(Category, &[&str])| {
        // Short words are too common as a part of something else: they count alone only.
        names.iter().filter(|name| name.len() > 3).any(|name| padded.contains(&format!("_{name}_")))
    };
    if let Some((category, _)) = NAMES.iter().find(has) {
        return fits(*category, ty).then_some(*category);
    }
    if ty.base == BaseType::Network && ty.sql.starts_with("inet") {
        return Some(confidential("pii.ip_address"));
    }
    let of_people =
        || self::words(table).iter().any(|word| PEOPLE.iter().any(|one| word == one || *word == format!("{one}s")));
    (name == "name" && ty.base == BaseType::Text && of_people()).then(|| confidential("pii.name"))
}

/// Whether a value of that type can be such data: the moment of an e-mail is no e-mail.
fn fits(category: Category, ty: &ColumnType) -> bool {
    let is_time = matches!(ty.base, BaseType::Date | BaseType::Timestamp | BaseType::Time | BaseType::Interval);
    match category.tag {
        "pii.birth_date" => is_time || matches!(ty.base, BaseType::Number | BaseType::Text),
        "pii.email" | "pii.name" => !is_time && ty.base != BaseType::Number,
        _ => !is_time,
    }
}

/// `billingEmail_2` → `billing`, `email`.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    let mut before_lower = false;
    for c in name.chars() {
        let starts = c.is_uppercase() && before_lower;
        before_lower = c.is_lowercase();
        if !c.is_alphabetic() || starts {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_alphabetic()) {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::contract::types::column_type;

    fn tag(table: &str, column: &str, ty: &str) -> &'static str {
        looks_like(table, column, &column_type(ty)).map_or("", |category| category.tag)
    }

    #[test]
    fn names_that_people_use_for_personal_data_are_known() {
        for (column, ty, expected) in [
            ("email", "text", "pii.email"),
            ("billingEmail", "text", "pii.email"),
            ("work_e_mail", "text", "pii.email"),
            ("phone_number", "varchar(20)", "pii.phone"),
            ("ssn", "char(11)", "pii.government_id"),
            ("date_of_birth", "date", "pii.birth_date"),
            ("address_line_1", "text", "pii.address"),
            ("iban", "text", "pii.bank_account"),
            ("card_number", "varchar(19)", "pii.card"),
            ("last_name", "text", "pii.name"),
            ("last_seen_from", "inet", "pii.ip_address"),
            ("client_ip", "text", "pii.ip_address"),
            ("password_hash", "text", "pii.credentials"),
            ("salary", "numeric(10,2)", "pii.income"),
        ] {
            assert_eq!(tag("t", column, ty), expected, "{column}");
        }
    }

    #[test]
    fn names_that_only_sound_like_it_are_left_alone() {
        for (column, ty) in [
            ("email_verified", "boolean"),
            ("email_sent_at", "timestamptz"),
            ("address_id", "bigint"),
            ("phone_type", "text"),
            ("name", "text"),
            ("description", "text"),
            ("company", "text"),
            ("tip", "numeric"),
            ("trip_length", "integer"),
            ("status", "text"),
            ("network", "cidr"),
        ] {
            assert_eq!(tag("products", column, ty), "", "{column}");
        }
        assert_eq!(tag("customers", "name", "text"), "pii.name");
        assert_eq!(tag("user_accounts", "name", "text"), "pii.name");
    }
}
