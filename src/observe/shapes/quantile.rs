//! Quantiles of a histogram, as Prometheus's `histogram_quantile` has them: linear within the bucket that holds the rank.

/// The quantile `q` (0 to 1) of observations that were counted by upper bounds; `counts` has one more than `bounds`, for
/// what is above all of them, and is not cumulative. The unit is that of the bounds. None without observations.
///
/// What is above the highest bound is told as that bound.
pub fn quantile(q: f64, bounds: &[f64], counts: &[u64]) -> Option<f64> {
    let total: u64 = counts.iter().sum();
    if total == 0 {
        return None;
    }
    let rank = q * total as f64;
    let (mut below, mut lower) = (0_u64, 0.0);
    for (bound, count) in bounds.iter().zip(counts) {
        if (below + count) as f64 >= rank && *count > 0 {
            let share = (rank - below as f64) / *count as f64;
            return Some(lower + (bound - lower) * share.max(0.0));
        }
        below += count;
        lower = *bound;
    }
    bounds.last().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: &[f64] = &[0.1, 0.2, 0.5];

    #[test]
    fn the_rank_is_found_linearly_within_its_bucket() {
        // 10 up to 0.1, 10 up to 0.2: histogram_quantile says 0.1 for the median and 0.19 for the 95th percentile.
        let near = |q: f64, expected: f64| {
            let found = quantile(q, BOUNDS, &[10, 10, 0, 0]).unwrap();
            assert!((found - expected).abs() < 1e-9, "{q}: {found}, not {expected}");
        };
        near(0.5, 0.1);
        near(0.95, 0.19);
        near(0.25, 0.05);
    }

    #[test]
    fn what_is_above_all_bounds_is_told_as_the_highest_bound() {
        assert_eq!(quantile(0.99, BOUNDS, &[0, 0, 0, 7]), Some(0.5));
        assert_eq!(quantile(0.5, BOUNDS, &[0, 0, 0, 0]), None);
    }

    proptest::proptest! {
        #[test]
        fn quantiles_grow_and_lie_in_a_bucket_that_has_something(counts in proptest::array::uniform4(0_u64..4), q in 0.0_f64..1.0, more in 0.0_f64..1.0) {
            let (low, high) = if q <= more { (q, more) } else { (more, q) };
            let (Some(a), Some(b)) = (quantile(low, BOUNDS, &counts), quantile(high, BOUNDS, &counts)) else {
                proptest::prop_assert_eq!(counts.iter().sum::<u64>(), 0);
                return Ok(());
            };
            proptest::prop_assert!(a <= b && (0.0..=0.5).contains(&a) && (0.0..=0.5).contains(&b), "{} {}", a, b);
            let within = |value: f64| {
                let bucket = BOUNDS.partition_point(|bound| *bound < value);
                counts.get(bucket).is_some_and(|count| *count > 0) || BOUNDS.contains(&value) || value == 0.0
            };
            proptest::prop_assert!(within(a) && within(b), "{} {} of {:?}", a, b, counts);
        }
    }

    #[test]
    fn empty_buckets_are_passed_over() {
        let found = quantile(0.0, BOUNDS, &[0, 4, 0, 0]).unwrap();
        assert!((found - 0.1).abs() < 1e-9, "{found}");
    }
}
