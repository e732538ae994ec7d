//! Decimals of any length, as Java's `BigDecimal` has them: what a whole number beyond 64 bits and a fraction make together, and what JSON
//! gives for a fraction with more digits than a double holds.

use std::cmp::Ordering;

use num_bigint::{BigInt, Sign};

use super::ast::Operator;

/// Digits of a result, and places between two operands' scales.
const DIGITS: u32 = 2000;

/// A decimal in JSON's notation as Java prints it.
#[must_use]
pub fn format_decimal(text: &str) -> Option<String> {
    Decimal::parse(text).map(|decimal| decimal.to_string())
}

/// `digits × 10^-scale`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decimal {
    digits: BigInt,
    scale: i64,
}

impl From<&BigInt> for Decimal {
    fn from(digits: &BigInt) -> Self {
        Self { digits: digits.clone(), scale: 0 }
    }
}

impl Decimal {
    /// Reads a number as JSON writes it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let scale = i64::try_from(fraction.len()).ok()? - i64::from(exponent);
        Some(Self { digits: format!("{whole}{fraction}").parse().ok()?, scale })
    }

    /// A double's exact value.
    pub(super) fn exact(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        let bits = value.to_bits();
        let (field, fraction) = ((bits >> 52) & 0x7ff, bits & ((1 << 52) - 1));
        let (mantissa, exponent) = if field == 0 { (fraction, -1074) } else { (fraction | (1 << 52), i64::try_from(field).ok()? - 1075) };
        let sign = if value < 0.0 { Sign::Minus } else { Sign::Plus };
        let twos = if mantissa == 0 { 0 } else { i64::from(mantissa.trailing_zeros()).min(-exponent).max(0) };
        let digits = BigInt::from_biguint(sign, (mantissa >> twos).into());
        let exponent = exponent + twos;
        Some(if exponent >= 0 {
            Self { digits: digits << u64::try_from(exponent).ok()?, scale: 0 }
        } else if mantissa == 0 {
            Self { digits, scale: 0 }
        } else {
            Self { digits: digits * BigInt::from(5).pow(u32::try_from(-exponent).ok()?), scale: -exponent }
        })
    }

    fn at_scale(&self, scale: i64) -> Option<BigInt> {
        let places = u32::try_from(scale - self.scale).ok().filter(|places| *places <= DIGITS)?;
        Some(&self.digits * BigInt::from(10).pow(places))
    }

    /// Nothing where a result would be too long, or for an operator that decimals do not have.
    pub(super) fn calculate(operator: Operator, a: &Self, b: &Self) -> Option<Self> {
        if a.digits.bits() + b.digits.bits() > u64::from(DIGITS) * 4 {
            return None;
        }
        let scale = a.scale.max(b.scale);
        Some(match operator {
            Operator::Add => Self { digits: a.at_scale(scale)? + b.at_scale(scale)?, scale },
            Operator::Subtract => Self { digits: a.at_scale(scale)? - b.at_scale(scale)?, scale },
            Operator::Multiply => Self { digits: &a.digits * &b.digits, scale: a.scale.checked_add(b.scale)? },
            Operator::Divide => Self { digits: a.divided(b)?, scale: a.scale },
            _ => return None,
        })
    }

    /// The quotient at this one's scale, rounded to the nearest, and to the nearer zero from the middle.
    fn divided(&self, by: &Self) -> Option<BigInt> {
        let ten = BigInt::from(10);
        let places = u32::try_from(by.scale.abs()).ok().filter(|places| *places <= DIGITS)?;
        let (dividend, divisor) = if by.scale >= 0 {
            (&self.digits * ten.pow(places), by.digits.clone())
        } else {
            (self.digits.clone(), &by.digits * ten.pow(places))
        };
        if divisor.sign() == Sign::NoSign {
            return None;
        }
        let (quotient, rest) = (&dividend / &divisor, &dividend % &divisor);
        let up = (rest.magnitude() * 2_u32) > *divisor.magnitude();
        let away = if (dividend.sign() == Sign::Minus) == (divisor.sign() == Sign::Minus) { 1 } else { -1 };
        Some(if up { quotient + away } else { quotient })
    }

    /// With so many places, rounded to the nearest and from the middle away from zero.
    pub(super) fn rounded(&self, places: u32) -> Option<String> {
        let scale = i64::from(places);
        let digits = match u32::try_from(self.scale - scale) {
            Err(_) | Ok(0) => self.at_scale(scale)?,
            Ok(more) if more > DIGITS => BigInt::ZERO,
            Ok(more) => {
                let unit = BigInt::from(10).pow(more);
                let half: BigInt = &unit / 2;
                let half = if self.digits.sign() == Sign::Minus { -half } else { half };
                (&self.digits + half) / unit
            }
        };
        let text = digits.magnitude().to_string();
        let text = format!("{}{text}", "0".repeat((places as usize + 1).saturating_sub(text.len())));
        let (whole, fraction) = text.split_at_checked(text.len() - places as usize)?;
        let sign = if self.digits.sign() == Sign::Minus { "-" } else { "" };
        Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
    }

    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        let scale = self.scale.max(other.scale);
        match (self.at_scale(scale), other.at_scale(scale)) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => self.to_f64().partial_cmp(&other.to_f64()),
        }
    }

    pub(super) fn is_zero(&self) -> bool {
        self.digits.sign() == Sign::NoSign
    }

    pub(super) fn to_f64(&self) -> f64 {
        format!("{}e{}", self.digits, -self.scale).parse().unwrap_or(f64::NAN)
    }
}

impl std::fmt::Display for Decimal {
    /// Plain down to a millionth, with an exponent where digits would have to be made up or the number is smaller.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = self.digits.magnitude().to_string();
        let sign = if self.digits.sign() == Sign::Minus { "-" } else { "" };
        let length = digits.len() as i64;
        let exponent = length - 1 - self.scale;
        if self.scale == 0 {
            return write!(f, "{sign}{digits}");
        }
        if self.scale > 0 && exponent >= -6 {
            let padded = format!("{}{digits}", "0".repeat(usize::try_from(self.scale + 1 - length).unwrap_or(0)));
            let point = padded.len() - usize::try_from(self.scale).unwrap_or(0);
            let (whole, fraction) = padded.split_at_checked(point).unwrap_or((&padded, ""));
            return write!(f, "{sign}{whole}.{fraction}");
        }
        let (first, rest) = digits.split_at_checked(1).unwrap_or((&digits, ""));
        let point = if rest.is_empty() { "" } else { "." };
        write!(f, "{sign}{first}{point}{rest}E{exponent:+}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_print_as_java_prints_them() {
        for (text, printed) in [
            ("123456789.123456789", "123456789.123456789"),
            ("1.50", "1.50"),
            ("-0.000001", "-0.000001"),
            ("0.0000001", "1E-7"),
            ("0.00000012", "1.2E-7"),
            ("1e30", "1E+30"),
            ("123456789012345678.1e5", "1.234567890123456781E+22"),
            ("0.00", "0.00"),
        ] {
            assert_eq!(Decimal::parse(text).unwrap().to_string(), printed);
        }
    }

    #[test]
    fn doubles_are_taken_exactly() {
        assert_eq!(Decimal::exact(0.1).unwrap().to_string(), "0.1000000000000000055511151231257827021181583404541015625");
        assert_eq!(Decimal::exact(-2.5).unwrap().to_string(), "-2.5");
        assert_eq!(Decimal::exact(1e21).unwrap().to_string(), "1000000000000000000000");
        assert_eq!(Decimal::exact(0.0).unwrap().to_string(), "0");
    }

    #[test]
    fn quotients_keep_the_dividends_scale() {
        let quotient = |a: &str, b: &str| {
            let (a, b) = (Decimal::parse(a).unwrap(), Decimal::parse(b).unwrap());
            Decimal::calculate(Operator::Divide, &a, &b).unwrap().to_string()
        };
        assert_eq!(quotient("10.00", "3"), "3.33");
        assert_eq!(quotient("1.0", "4"), "0.2");
        assert_eq!(quotient("-10", "2.5"), "-4");
    }
}
