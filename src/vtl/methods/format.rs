//! `String.format`.

use crate::vtl::decimal::Decimal;
use crate::vtl::java::format_double;
use crate::vtl::value::Value;

/// A field may be this wide.
const WIDTH: usize = 1000;

/// One conversion: `%[index$][flags][width][.precision]letter`.
struct Field {
    index: Option<usize>,
    flags: String,
    width: usize,
    precision: Option<usize>,
    conversion: char,
}

/// Fills the conversions `%s`, `%d`, `%f`, `%x`, `%o`, `%c`, `%b`, `%n` and `%%`.
///
/// # Errors
/// Where Java throws, and for other conversions.
pub(super) fn format(text: &str, arguments: &[Value<'_>]) -> Result<String, String> {
    let mut out = String::new();
    let mut next = 0;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let (field, behind) = parse(after).ok_or("a conversion is not complete")?;
        rest = behind;
        match field.conversion {
            '%' => out.push_str(&field.padded("%".to_owned())),
            'n' => out.push('\n'),
            _ => {
                let index = field.index.unwrap_or_else(|| {
                    next += 1;
                    next
                });
                let value = index.checked_sub(1).and_then(|index| arguments.get(index)).ok_or("an argument is missing")?;
                out.push_str(&field.fill(value)?);
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn parse(text: &str) -> Option<(Field, &str)> {
    let number = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let width = |text: &str| text.parse().ok().filter(|width| *width <= WIDTH);
    let (index, rest) = match text.get(..number(text)).and_then(|digits| Some((digits, text.get(digits.len()..)?.strip_prefix('$')?))) {
        Some((digits, rest)) if !digits.is_empty() => (Some(digits.parse().ok()?), rest),
        _ => (None, text),
    };
    let flags = rest.get(..rest.len() - rest.trim_start_matches(['-', '0', '+', ',', ' ', '(', '#']).len())?;
    let rest = rest.get(flags.len()..)?;
    let (digits, rest) = rest.split_at_checked(number(rest))?;
    let (precision, rest) = match rest.strip_prefix('.') {
        Some(fraction) => {
            let (digits, rest) = fraction.split_at_checked(number(fraction))?;
            (Some(width(digits)?), rest)
        }
        None => (None, rest),
    };
    let conversion = rest.chars().next()?;
    let width = if digits.is_empty() { 0 } else { width(digits)? };
    Some((Field { index, flags: flags.to_owned(), width, precision, conversion }, rest.get(conversion.len_utf8()..)?))
}

impl Field {
    fn has(&self, flag: char) -> bool {
        self.flags.contains(flag)
    }

    fn fill(&self, value: &Value<'_>) -> Result<String, String> {
        let cut = |text: String| text.chars().take(self.precision.unwrap_or(usize::MAX)).collect::<String>();
        Ok(match (self.conversion, value) {
            ('s', value) => self.padded(cut(value.to_text())),
            ('S', value) => self.padded(cut(value.to_text()).to_uppercase()),
            ('b', Value::Boolean(value)) => self.padded(cut(bool::from(*value).to_string())),
            ('b', value) => self.padded(cut((!matches!(value, Value::Null)).to_string())),
            ('d', Value::Integer(_) | Value::BigInteger(_)) => self.number(value.to_text()),
            ('x', Value::Integer(number)) => self.number(unsigned(*number, |bits| format!("{bits:x}"))),
            ('X', Value::Integer(number)) => self.number(unsigned(*number, |bits| format!("{bits:X}"))),
            ('o', Value::Integer(number)) => self.number(unsigned(*number, |bits| format!("{bits:o}"))),
            ('c', Value::Integer(number)) => {
                let c = u32::try_from(*number).ok().and_then(char::from_u32).ok_or("this is no character")?;
                self.padded(c.to_string())
            }
            ('f', Value::Double(number)) => self.number(rounded(&format_double(*number), self.precision.unwrap_or(6))?),
            ('f', Value::Decimal(text)) => self.number(rounded(text, self.precision.unwrap_or(6))?),
            (conversion, _) => return Err(format!("`%{conversion}` does not fit its argument")),
        })
    }

    fn number(&self, text: String) -> String {
        let (minus, digits) = text.strip_prefix('-').map_or((false, text.as_str()), |digits| (true, digits));
        let digits = if self.has(',') { grouped(digits) } else { digits.to_owned() };
        let (sign, end) = match minus {
            true if self.has('(') => ("(", ")"),
            true => ("-", ""),
            false if self.has('+') => ("+", ""),
            false if self.has(' ') => (" ", ""),
            false => ("", ""),
        };
        let length = sign.len() + digits.len() + end.len();
        let zeros = if self.has('0') { self.width.saturating_sub(length) } else { 0 };
        self.padded(format!("{sign}{}{digits}{end}", "0".repeat(zeros)))
    }

    fn padded(&self, text: String) -> String {
        let blanks = " ".repeat(self.width.saturating_sub(text.chars().count()));
        if self.has('-') { text + &blanks } else { blanks + &text }
    }
}

fn unsigned(number: i64, print: impl Fn(u64) -> String) -> String {
    print(i32::try_from(number).map_or(number.cast_unsigned(), |number| number.cast_unsigned().into()))
}

/// Commas between each three digits before the point.
fn grouped(digits: &str) -> String {
    let whole = digits.split('.').next().unwrap_or_default();
    let mut out = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + digits.get(whole.len()..).unwrap_or_default()
}

/// A number with so many places, rounded half up from the digits that it prints.
fn rounded(text: &str, places: usize) -> Result<String, String> {
    let decimal = Decimal::parse(text).ok_or("this is no finite number")?;
    decimal.rounded(places as u32).ok_or_else(|| "the number is too long".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_filled_as_java_fills_them() {
        let n = [Value::Integer(1_234_567), Value::Double(2.345), Value::text("ab"), Value::Integer(-5)];
        for (text, filled) in [
            ("%d|%.2f|%s|%d", "1234567|2.35|ab|-5"),
            ("%,d|%010.1f|%5s|%-5d|", "1,234,567|00000002.3|   ab|-5   |"),
            ("%4$05d %3$S %1$x %%", "-0005 AB 12d687 %"),
            ("%4$(d %1$+d", "(5) +1234567"),
        ] {
            assert_eq!(format(text, &n).as_deref(), Ok(filled), "{text}");
        }
        for text in ["%", "%5", "%d %d %d %d %d", "%3$d", "%q", "%9999s"] {
            assert!(format(text, &n).is_err(), "{text}");
        }
    }
}
