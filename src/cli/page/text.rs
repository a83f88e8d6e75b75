//! Text from elsewhere, made safe for a terminal and for Markdown, and wrapped between words.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Text on one line, without characters that control a terminal or reverse the direction of text.
pub(super) fn plain(text: &str) -> String {
    let visible = text.chars().filter(|c| !is_direction(*c));
    visible.map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// As [`plain`], for text whose line ends stay.
pub(in crate::cli) fn plain_lines(text: &str) -> String {
    text.split('\n').map(plain).collect::<Vec<_>>().join("\n")
}

/// Text that Markdown does not take for markup.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in plain(text).chars() {
        if matches!(c, '\\' | '|' | '<' | '*' | '`' | '[') {
            safe.push('\\');
        }
        safe.push(c);
    }
    safe
}

/// Text that is broken between words, with `first` before the first line and `rest` before the others. A word that is wider
/// than the terminal, as a link may be, has a line of its own and stays whole.
pub(super) fn wrapped(first: &str, rest: &str, text: &str, width: Option<usize>) -> String {
    let Some(width) = width.filter(|width| first.width() + text.width() > *width) else {
        return format!("{first}{text}\n");
    };
    let (mut lines, mut line, mut used) = (String::new(), first.to_owned(), first.width());
    let mut is_empty = true;
    for word in text.split_whitespace() {
        let gap = usize::from(!is_empty);
        if !is_empty && used + gap + word.width() > width {
            lines.push_str(&line);
            lines.push('\n');
            (line, used, is_empty) = (rest.to_owned(), rest.width(), true);
        }
        if !is_empty {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += word.width();
        is_empty = false;
    }
    lines.push_str(&line);
    lines.push('\n');
    lines
}

/// Text in `width` columns: cut between words, with `…`, if it is wider.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let (mut kept, mut used) = (String::new(), 0);
    for c in text.chars() {
        let wide = c.width().unwrap_or_default();
        if used + wide + 1 > width {
            break;
        }
        kept.push(c);
        used += wide;
    }
    // Between words, unless that would cut more than half away.
    let is_mid_word = text.get(kept.len()..).is_some_and(|rest| !rest.starts_with(' '));
    if let Some(end) = kept.rfind(' ').filter(|end| is_mid_word && *end * 2 > kept.len()) {
        kept.truncate(end);
    }
    let mut kept = kept.trim_end().to_owned();
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// Characters that set the direction of text, with which a name could show as another.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
