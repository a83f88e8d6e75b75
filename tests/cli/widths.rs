//! Every command in terminals of usual widths: nothing is wider than the terminal, and no word is broken. Where both cannot
//! be, because a link is longer than a line, it has a line of its own.

use std::{
    collections::BTreeSet,
    fs::File,
    io::Read,
    process::{Child, Stdio},
};

use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use unicode_width::UnicodeWidthStr;

use crate::{commands::COMMANDS, support::Gateway};

/// How a cell ends that was shortened.
const CUT: char = '…';

#[test]
fn nothing_is_wider_than_the_terminal_and_no_word_is_broken() {
    let gateway = Gateway::start();
    for command in COMMANDS {
        let command = [command, &["--color", "never"]].concat();
        // The second answer comes from the cache, as those in the terminals do.
        gateway.run(&command);
        let whole: BTreeSet<String> = words(&gateway.run(&command).stdout).collect();
        for columns in [60, 80, 120, 200] {
            let shown = in_terminal(&gateway, &command, columns);
            let about = format!("{command:?} in {columns} columns:\n{shown}");
            assert!(!shown.trim().is_empty(), "{about}");
            let is_one_link = |line: &str| line.trim().starts_with("https://") && line.split_whitespace().count() == 1;
            let wide = |line: &&str| line.width() > usize::from(columns) && !is_one_link(line);
            assert_eq!(shown.lines().find(wide), None, "{about}");
            let is_whole = |word: &String| match word.split_once(CUT) {
                Some((beginning, _)) => whole.iter().any(|word| word.starts_with(beginning)),
                None => whole.contains(word) || word == "\\",
            };
            assert_eq!(words(&shown).find(|word| !is_whole(word)), None, "{about}");
        }
    }
}

/// The words of a text. Numbers change from call to call, and rules below a head have the width of their column.
fn words(text: &str) -> impl Iterator<Item = String> {
    let number = |c: char| if c.is_ascii_digit() { '0' } else { c };
    let words = text.split_whitespace().filter(|word| !word.chars().all(|c| c == '-'));
    words.map(move |word| {
        let mut word: Vec<char> = word.chars().map(number).collect();
        word.dedup_by(|next, last| *next == '0' && *last == '0');
        word.into_iter().collect()
    })
}

/// What a command shows in a terminal of its own, without colours.
fn in_terminal(gateway: &Gateway, command: &[&str], columns: u16) -> String {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    tcsetwinsize(&terminal, Winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let mut child: Child = {
        let inside = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        gateway.command(command).stdout(Stdio::from(inside)).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut shown = Vec::new();
    // Ends with an error once nobody has the terminal open.
    let _ = File::from(terminal).read_to_end(&mut shown);
    assert!(child.wait().unwrap().success(), "{command:?}");
    String::from_utf8(shown).unwrap().replace("\r\n", "\n")
}
