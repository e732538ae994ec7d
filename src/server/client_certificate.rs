//! What a verified client certificate says of its owner, in the service's words.

use base64::Engine as _;
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Name;

use crate::exchange::ClientCertificate;

/// Reads a certificate (DER) that was verified in the name of a custom domain, or of the listener.
///
/// # Errors
/// Where it cannot be read: whoever it is, nothing could be told of them.
pub(super) fn read(der: &[u8], domain_name: Option<&str>) -> Result<ClientCertificate, String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).map_err(|error| error.to_string())?;
    Ok(ClientCertificate {
        domain_name: domain_name.map(Into::into),
        pem: pem(der),
        subject_dn: distinguished_name(certificate.subject()),
        issuer_dn: distinguished_name(certificate.issuer()),
        serial_number: serial_number(certificate.raw_serial()),
        not_before: date(certificate.validity().not_before),
        not_after: date(certificate.validity().not_after),
    })
}

/// `a1:b2:c3`, without the byte that says no more than that the number is positive.
fn serial_number(bytes: &[u8]) -> Box<str> {
    let bytes = if let [0, rest @ ..] = bytes
        && !rest.is_empty()
    {
        rest
    } else {
        bytes
    };
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":").into()
}

/// Lines of 64 characters between the usual marks (RFC 7468, section 3).
fn pem(der: &[u8]) -> Box<str> {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(std::str::from_utf8(line).unwrap_or_default());
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem.into()
}

/// `C=US,O=Example,CN=client`: in the certificate's order; what would read as another attribute is escaped (RFC 4514, section 2.4).
fn distinguished_name(name: &X509Name<'_>) -> Box<str> {
    let mut text = String::new();
    for relative in name.iter() {
        for (index, attribute) in relative.iter().enumerate() {
            if !text.is_empty() {
                text.push(if index == 0 { ',' } else { '+' });
            }
            let oid = attribute.attr_type();
            match x509_parser::objects::oid2abbrev(oid, x509_parser::objects::oid_registry()) {
                Ok(known) => text.push_str(known),
                Err(_) => text.push_str(&oid.to_id_string()),
            }
            text.push('=');
            match attribute.as_str() {
                Ok(value) => escape(value, &mut text),
                Err(_) => attribute.as_slice().iter().for_each(|byte| text.push_str(&format!("\\{byte:02x}"))),
            }
        }
    }
    text.into()
}

fn escape(value: &str, text: &mut String) {
    for (index, character) in value.char_indices() {
        let at_edge = character == ' ' && (index == 0 || index + 1 == value.len()) || character == '#' && index == 0;
        match character {
            '\0'..='\x1f' | '\x7f' => text.push_str(&format!("\\{:02x}", u32::from(character))),
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => text.extend(['\\', character]),
            _ if at_edge => text.extend(['\\', character]),
            _ => text.push(character),
        }
    }
}

/// `Aug  5 09:36:04 2021 GMT`, as OpenSSL prints it.
fn date(time: ASN1Time) -> Box<str> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let time = time.to_datetime();
    let month = MONTHS.get(usize::from(u8::from(time.month())) - 1).copied().unwrap_or_default();
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    format!("{month} {:>2} {hour:02}:{minute:02}:{second:02} {} GMT", time.day(), time.year()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_in_the_style_of_openssl() {
        let date = |seconds| date(ASN1Time::from_timestamp(seconds).unwrap());
        assert_eq!(&*date(1_628_156_164), "Aug  5 09:36:04 2021 GMT");
        assert_eq!(&*date(1_559_046_602), "May 28 12:30:02 2019 GMT");
    }

    #[test]
    fn serial_numbers_are_bytes_between_colons() {
        for (bytes, text) in [(&[0, 0xa1, 0xb2][..], "a1:b2"), (&[1], "01"), (&[0], "00"), (&[0x0a, 0], "0a:00")] {
            assert_eq!(&*serial_number(bytes), text);
        }
    }

    #[test]
    fn a_value_cannot_pretend_to_be_another_attribute() {
        let escaped = |value| {
            let mut text = String::new();
            escape(value, &mut text);
            text
        };
        assert_eq!(escaped("a,CN=admin"), "a\\,CN=admin");
        assert_eq!(escaped(" # "), "\\ #\\ ");
        assert_eq!(escaped("#a\n"), "\\#a\\0a");
    }
}
