//! The identifier of an item.

use std::fmt;

/// An Amazon Standard Identification Number: ten upper-case letters and digits.
///
/// Most begin with `B0`, but the ISBN-10 of a book is an ASIN too, so any ten letters and digits are accepted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Asin([u8; 10]);

/// The text is not an ASIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an ASIN is ten letters and digits, as B0EXAMPLE1")]
pub struct NotAnAsin;

impl Asin {
    /// Reads an ASIN in any case, with white space around it.
    pub fn parse(text: &str) -> Result<Self, NotAnAsin> {
        let bytes: [u8; 10] = text.trim().as_bytes().try_into().map_err(|_| NotAnAsin)?;
        if !bytes.iter().all(u8::is_ascii_alphanumeric) {
            return Err(NotAnAsin);
        }
        Ok(Self(bytes.map(|byte| byte.to_ascii_uppercase())))
    }

    /// The ten characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Asin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Asin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_case_and_outer_space_are_read() {
        assert_eq!(Asin::parse(" b0example1\n").unwrap().as_str(), "B0EXAMPLE1");
        assert_eq!(Asin::parse("043935806X").unwrap().to_string(), "043935806X");
    }

    #[test]
    fn anything_but_ten_letters_and_digits_is_refused() {
        for text in ["", "B0EXAMPLE", "B0EXAMPLE12", "B0EXAMPL-1", "B0EXAMPLÉ", "ＢＢＢ"] {
            assert_eq!(Asin::parse(text), Err(NotAnAsin), "{text}");
        }
    }
}
