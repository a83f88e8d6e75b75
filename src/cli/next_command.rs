//! The command that prints the next page: this process's own command line with another page token.

use std::sync::OnceLock;

/// The command line of this process, without the program. Set once, before the command runs.
static ARGUMENTS: OnceLock<Vec<String>> = OnceLock::new();

pub(super) fn set_arguments(arguments: Vec<String>) {
    // Only the first call counts; a process has one command line.
    let _ = ARGUMENTS.set(arguments);
}

/// The words of the command for the next page, quoted as a shell reads them.
pub(super) fn next_command(token: &str) -> Vec<String> {
    command(ARGUMENTS.get().map(Vec::as_slice).unwrap_or_default(), token)
}

fn command(arguments: &[String], token: &str) -> Vec<String> {
    let mut words = vec!["stockroom".to_owned()];
    // A secret stays out of a terminal's history.
    let secret = ["--token".to_owned(), "\"$STOCKROOM_TOKEN\"".to_owned()];
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--page-token" => drop(arguments.next()),
            "--token" => {
                let _ = arguments.next();
                words.extend(secret.clone());
            }
            argument if argument.starts_with("--page-token=") => {}
            argument if argument.starts_with("--token=") => words.extend(secret.clone()),
            argument => words.push(quoted(argument)),
        }
    }
    words.extend(["--page-token".to_owned(), quoted(token)]);
    words
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_command_is_this_one_with_another_token() {
        let cases: [(&[&str], &str); 3] = [
            (&["search", "lamp", "--page-size", "5"], "stockroom search lamp --page-size 5 --page-token next"),
            (
                &["search", "a b", "it's", "--page-token", "old", "--prime"],
                "stockroom search 'a b' 'it'\\''s' --prime --page-token next",
            ),
            (
                &["search", "--page-token=old", "--token", "secret", "x"],
                "stockroom search --token \"$STOCKROOM_TOKEN\" x --page-token next",
            ),
        ];
        for (arguments, expected) in cases {
            let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(command(&arguments, "next").join(" "), expected);
        }
    }
}
