//! The command that prints the next page: this process's own command line with another page token.

use std::sync::OnceLock;

/// The command line of this process, without the program. Set once, before the command runs.
static ARGUMENTS: OnceLock<Vec<String>> = OnceLock::new();

pub(super) fn set_arguments(arguments: Vec<String>) {
    // Only the first call counts; a process has one command line.
    let _ = ARGUMENTS.set(arguments);
}

/// The command for the next page, ready to be pasted into a shell.
pub(super) fn next_command(token: &str) -> String {
    command(ARGUMENTS.get().map(Vec::as_slice).unwrap_or_default(), token)
}

fn command(arguments: &[String], token: &str) -> String {
    let mut words = vec!["stockroom".to_owned()];
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--page-token" => drop(arguments.next()),
            "--token" => {
                // A secret stays out of a terminal's history.
                let _ = arguments.next();
                words.push("--token \"$STOCKROOM_TOKEN\"".to_owned());
            }
            argument if argument.starts_with("--page-token=") => {}
            argument if argument.starts_with("--token=") => words.push("--token \"$STOCKROOM_TOKEN\"".to_owned()),
            argument => words.push(quoted(argument)),
        }
    }
    format!("{} --page-token {}", words.join(" "), quoted(token))
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
            assert_eq!(command(&arguments, "next"), expected);
        }
    }
}
