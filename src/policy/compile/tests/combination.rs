//! Decisions combine in any order.

use super::*;

fn any_decision() -> impl Strategy<Value = Decided> {
    let masks = [
        "null",
        "default",
        "{constant: a}",
        "{constant: b}",
        "redact",
        "email",
        "{partial: {suffix: 4}}",
        "{partial: {suffix: 2}}",
        "deny",
    ];
    (0..masks.len(), 0..3u8, any::<bool>()).prop_map(move |(kind, rule, omit)| {
        let reason = Reason { policy: "p".into(), version: 1, rule: rule.to_string().into(), note: None };
        if masks[kind] == "deny" {
            return Decided { omit_on_star: omit, ..Decided::deny(reason) };
        }
        let file = SourceFile::new("m", masks[kind]);
        let mut problems = crate::model::source::Problems::new(&file);
        let node = crate::model::source::parse(&file, &mut problems).unwrap();
        let mask: MaskUse = crate::policy::mask::read(&node, None, &mut problems).unwrap();
        let predicates = match omit {
            true => Predicates::Equality,
            false if rule == 0 => Predicates::Deny(std::sync::Arc::new(reason.clone())),
            false => Predicates::Masked,
        };
        Decided::mask(&mask, &column_type("text"), reason).with_predicates(predicates)
    })
}

fn combine(decisions: &[Decided]) -> (Strictness, Effect, Reason, bool, Predicates) {
    let mut all = Decisions::new();
    let id = ColumnId { relation: Oid(1), attnum: 1 };
    decisions.iter().for_each(|decided| decision::add(&mut all, id, decided.clone()));
    let decided = &all[&id];
    let (reason, predicates) = ((*decided.reason).clone(), decided.predicates.clone());
    (decided.strictness, decided.effect.clone(), reason, decided.omit_on_star, predicates)
}

proptest! {
    #[test]
    fn the_order_of_rules_means_nothing(
        (decisions, shuffled) in prop::collection::vec(any_decision(), 1..6)
            .prop_flat_map(|decisions| (Just(decisions.clone()), Just(decisions).prop_shuffle()))
    ) {
        let combined = combine(&decisions);
        prop_assert_eq!(&combined, &combine(&shuffled));
        let strictest = decisions.iter().map(|decided| decided.strictness).max().unwrap();
        prop_assert_eq!(combined.0, strictest);
        // The least that any rule about a mask lets conditions see is what they see.
        let least = decisions.iter().filter(|decided| decided.effect != Effect::Deny).map(|decided| &decided.predicates);
        if let Some(least) = least.min() {
            prop_assert_eq!(&combined.4, least);
        }
    }
}
