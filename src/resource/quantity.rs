//! Quantities (`10Gi`, `500m`, `1e3`), compared by what they mean.
//!
//! Grammar: <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>.

use std::cmp::Ordering;

/// An amount of storage, memory or CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity {
    /// In billionths, the smallest unit that a quantity can have; parts of them are rounded up, as the server does.
    billionths: i128,
}

impl Quantity {
    /// Reads a quantity; `None` when it isn't one, or is larger than any that the server takes.
    pub fn parse(text: &str) -> Option<Self> {
        let (sign, rest) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, suffix) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return None;
        }
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        let (factor, exponent) = unit(suffix)?;
        let exponent = exponent + 9 - i32::try_from(fraction.len()).ok()?;
        let scaled = digits.checked_mul(factor)?;
        let billionths = match exponent.cmp(&0) {
            Ordering::Less => {
                let divisor = 10_i128.checked_pow(exponent.unsigned_abs())?;
                scaled / divisor + i128::from(scaled % divisor != 0)
            }
            _ => scaled.checked_mul(10_i128.checked_pow(exponent.unsigned_abs())?)?,
        };
        Some(Self { billionths: sign * billionths })
    }
}

/// A suffix as a factor and a power of ten.
fn unit(suffix: &str) -> Option<(i128, i32)> {
    const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    const DECIMAL: [(&str, i32); 10] =
        [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
    if let Some(power) = BINARY.iter().position(|known| *known == suffix) {
        return Some((1024_i128.pow(u32::try_from(power + 1).ok()?), 0));
    }
    if let Some((_, exponent)) = DECIMAL.iter().find(|(known, _)| *known == suffix) {
        return Some((1, *exponent));
    }
    let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    (-30..=30).contains(&exponent).then_some((1, exponent))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Quantity;

    fn quantity(text: &str) -> Quantity {
        Quantity::parse(text).unwrap_or_else(|| panic!("{text} should be a quantity"))
    }

    #[test]
    fn the_same_amount_is_the_same_however_it_is_written() {
        for (one, other) in
            [("1Gi", "1024Mi"), ("1", "1000m"), ("0.5", "500m"), ("1e3", "1k"), ("1E3", "1000"), (".5Gi", "512Mi"), ("+2", "2.")]
        {
            assert_eq!(quantity(one), quantity(other), "{one} {other}");
        }
        assert!(quantity("10Gi") < quantity("11G") && quantity("1G") < quantity("1Gi") && quantity("-1") < quantity("0"));
        assert_eq!(quantity("0.1n"), quantity("1n"));
    }

    #[test]
    fn what_is_no_quantity_is_none() {
        for text in ["", "Gi", "1 Gi", "1GB", "1.2.3", "e3", "1e", "1ee3", ".", "99999999999999999999999999999999999999999"] {
            assert_eq!(Quantity::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whole_numbers_keep_their_order(a in 0_u32.., b in 0_u32.., unit in "(|k|Mi|G|Ei|m)") {
            prop_assert_eq!(quantity(&format!("{a}{unit}")).cmp(&quantity(&format!("{b}{unit}"))), a.cmp(&b));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "[-+0-9.eEKMGTPikmnu]{0,48}") {
            let _ = Quantity::parse(&text);
        }
    }
}
