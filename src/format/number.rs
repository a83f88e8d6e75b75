//! Counts and measures as text.

use stockroom_proto::pb;

/// A whole number with commas between its thousands, as `12,843`.
pub fn number(number: impl Into<i64>) -> String {
    let number: i64 = number.into();
    let digits = number.unsigned_abs().to_string();
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if number < 0 { format!("-{grouped}") } else { grouped }
}

/// A measure with its unit in lower case, as `0.5 pounds`.
pub fn measure(measure: &pb::Measure) -> String {
    measures(&[measure])
}

/// Several measures, as `3 × 4 inches`: a unit that neighbours share appears once. Amazon capitalises units; this does not.
pub fn measures(measures: &[&pb::Measure]) -> String {
    let values = measures.iter().enumerate().map(|(i, measure)| {
        let shared = measures.get(i + 1).is_some_and(|next| next.unit == measure.unit);
        let unit = if shared { String::new() } else { format!(" {}", measure.unit.to_lowercase()) };
        format!("{}{unit}", measure.value).trim_end().to_owned()
    });
    values.collect::<Vec<_>>().join(" × ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (-1_234_567, "-1,234,567")];
        for (value, expected) in cases {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn a_unit_is_in_lower_case_and_appears_once() {
        let of = |value, unit: &str| pb::Measure { value, unit: unit.to_owned() };
        assert_eq!(measure(&of(0.5, "Pounds")), "0.5 pounds");
        assert_eq!(measures(&[&of(3.0, "Inches"), &of(4.5, "Inches")]), "3 × 4.5 inches");
        assert_eq!(measures(&[&of(3.0, "Inches"), &of(10.0, "Centimeters")]), "3 inches × 10 centimeters");
    }
}
