//! Repair of JSON text that a strict parser rejects as a whole.
//!
//! # Why
//!
//! One bad byte in one title makes a strict parser reject the whole body, which loses ten products. Amazon has sent Latin-1
//! bytes in UTF-8 text and halves of surrogate pairs.
//!
//! # Rule
//!
//! What cannot be read inside a string costs that character: it becomes U+FFFD. Nothing outside of strings is changed, so a
//! body that is cut off or is no JSON stays unreadable.
//!
//! # Edge cases
//!
//! - Bytes that are not UTF-8 become U+FFFD, wherever they are.
//! - `\uD83D` without its other half, an unknown escape as `\x` and `\u` without four digits become U+FFFD.
//! - A raw control character in a string is kept, as an escape.
//! - A byte order mark before the text is removed.

use std::borrow::Cow;

/// The replacement for what cannot be read, as an escape.
const REPLACEMENT: &str = "\\ufffd";

/// The text of a body with its strings repaired. Borrows where there is nothing to repair.
pub(crate) fn repair(body: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body));
    match repair_strings(&text) {
        Some(repaired) => Cow::Owned(repaired),
        None => text,
    }
}

/// The repaired text; `None` where nothing had to be changed.
fn repair_strings(text: &str) -> Option<String> {
    let mut repaired: Option<String> = None;
    // Everything before `copied` is in `repaired`, once there is one.
    let (mut copied, mut at, mut in_string) = (0, 0, false);
    let bytes = text.as_bytes();
    while let Some(byte) = bytes.get(at) {
        let (length, replacement) = match byte {
            b'"' => {
                in_string = !in_string;
                (1, None)
            }
            b'\\' if in_string => escape(bytes.get(at..).unwrap_or_default()),
            control if in_string && *control < 0x20 => (1, Some(Cow::Owned(format!("\\u{control:04x}")))),
            _ => (1, None),
        };
        if let Some(replacement) = replacement {
            let repaired = repaired.get_or_insert_default();
            repaired.push_str(text.get(copied..at)?);
            repaired.push_str(&replacement);
            copied = at + length;
        }
        at += length;
    }
    let mut repaired = repaired?;
    repaired.push_str(text.get(copied..)?);
    Some(repaired)
}

/// The length of the escape that the bytes begin with, and what replaces it where it cannot be read.
fn escape(bytes: &[u8]) -> (usize, Option<Cow<'static, str>>) {
    match bytes.get(1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => (2, None),
        Some(b'u') => match code_unit(bytes) {
            Some(0xD800..=0xDBFF) => match bytes.get(6..).and_then(code_unit) {
                Some(0xDC00..=0xDFFF) => (12, None),
                _ => (6, Some(Cow::Borrowed(REPLACEMENT))),
            },
            Some(0xDC00..=0xDFFF) => (6, Some(Cow::Borrowed(REPLACEMENT))),
            Some(_) => (6, None),
            None => (2, Some(Cow::Borrowed(REPLACEMENT))),
        },
        // The character after the backslash is kept: it may be the first of several bytes.
        Some(_) => (1, Some(Cow::Borrowed(REPLACEMENT))),
        None => (1, None),
    }
}

/// The UTF-16 code unit of an escape `\uXXXX` at the start of the bytes.
fn code_unit(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    let digits =
        std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn title(body: &[u8]) -> Option<String> {
        let value: serde_json::Value = serde_json::from_str(&repair(body)).ok()?;
        Some(value["t"].as_str()?.to_owned())
    }

    #[test]
    fn what_cannot_be_read_costs_one_character() {
        let cases: [(&[u8], &str); 12] = [
            (br#"{"t": "plain"}"#, "plain"),
            (b"{\"t\": \"Pok\xAEmon\"}", "Pok\u{FFFD}mon"),
            (br#"{"t": "a\ud83db"}"#, "a\u{FFFD}b"),
            (br#"{"t": "a\udc00b"}"#, "a\u{FFFD}b"),
            (br#"{"t": "\ud83d\ud83d\ude00"}"#, "\u{FFFD}\u{1F600}"),
            (br#"{"t": "\ud83d\ude00"}"#, "\u{1F600}"),
            (br#"{"t": "a\xb"}"#, "a\u{FFFD}xb"),
            (br#"{"t": "a\u12"}"#, "a\u{FFFD}12"),
            (br#"{"t": "a\\ud83d"}"#, "a\\ud83d"),
            (b"{\"t\": \"a\tb\nc\"}", "a\tb\nc"),
            (b"\xEF\xBB\xBF{\"t\": \"marked\"}", "marked"),
            ("{\"t\": \"é\\é\"}".as_bytes(), "é\u{FFFD}é"),
        ];
        for (body, expected) in cases {
            assert_eq!(title(body).as_deref(), Some(expected), "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn text_without_a_fault_is_borrowed_and_no_json_stays_no_json() {
        assert!(matches!(repair(br#"{"t": "\ud83d\ude00 \n"}"#), Cow::Borrowed(_)));
        for body in [&br#"{"t": "cut"#[..], br#"{"t": 1"#, b"<html>", b"", b"\"\\"] {
            assert_eq!(title(body), None);
        }
    }
}
