//! The content of an answer apart from its look: the same page becomes text for a terminal or Markdown.

use unicode_width::UnicodeWidthStr;

use self::text::{escaped, plain, wrapped};
pub(super) use self::{
    table::{Column, Layout, Table},
    text::plain_lines,
};

mod table;
mod text;

/// How a page looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Text, no wider than the width if one is known.
    Text(Option<u16>),
    /// The same with colour.
    Colour(Option<u16>),
    /// GitHub's Markdown.
    Markdown,
}

/// The content of an answer, from top to bottom.
#[derive(Debug, Default)]
pub(super) struct Page {
    parts: Vec<PagePart>,
}

#[derive(Debug)]
enum PagePart {
    Heading(String),
    Line(String),
    /// A label, and the words of a command to copy.
    Command(&'static str, Vec<String>),
    Items(Vec<String>),
    Facts(Vec<(String, String)>),
    Table(Table),
}

impl Style {
    /// The width of text; `None` if unknown and in Markdown.
    pub(super) fn width(self) -> Option<usize> {
        match self {
            Self::Text(width) | Self::Colour(width) => width.map(usize::from),
            Self::Markdown => None,
        }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::Colour(_) if !text.is_empty() => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            Self::Text(_) | Self::Colour(_) | Self::Markdown => text.to_owned(),
        }
    }
}

impl Page {
    pub(super) fn heading(&mut self, text: impl Into<String>) -> &mut Self {
        self.parts.push(PagePart::Heading(text.into()));
        self
    }

    /// A line of text; nothing if it is empty.
    pub(super) fn line(&mut self, text: impl Into<String>) -> &mut Self {
        let text = text.into();
        if !text.is_empty() {
            self.parts.push(PagePart::Line(text));
        }
        self
    }

    /// A command of a shell, by its words. Where it is longer than a line, it goes on as a shell reads it.
    pub(super) fn command(&mut self, label: &'static str, words: Vec<String>) -> &mut Self {
        self.parts.push(PagePart::Command(label, words));
        self
    }

    pub(super) fn items(&mut self, items: Vec<String>) -> &mut Self {
        self.parts.push(PagePart::Items(items));
        self
    }

    /// Labels and values, without those whose value is empty.
    pub(super) fn facts(&mut self, facts: Vec<(&str, String)>) -> &mut Self {
        let known = facts.into_iter().filter(|(_, value)| !value.is_empty());
        let known: Vec<(String, String)> = known.map(|(label, value)| (label.to_owned(), value)).collect();
        if !known.is_empty() {
            self.parts.push(PagePart::Facts(known));
        }
        self
    }

    /// A table without the columns that are empty in every row; nothing without rows.
    pub(super) fn table(&mut self, columns: &[Column], rows: Vec<Vec<String>>) -> &mut Self {
        if !rows.is_empty() {
            self.parts.push(PagePart::Table(Table { columns: columns.to_vec(), rows }.without_empty_columns()));
        }
        self
    }

    /// The page as text that ends with a line end.
    pub(super) fn render(&self, style: Style) -> String {
        let mut text = String::new();
        for part in &self.parts {
            let block = part.render(style);
            let apart = matches!(part, PagePart::Heading(_) | PagePart::Table(_)) || style == Style::Markdown;
            if !text.is_empty() && apart {
                text.push('\n');
            }
            text.push_str(&block);
        }
        text
    }
}

impl PagePart {
    fn render(&self, style: Style) -> String {
        if style == Style::Markdown {
            return self.markdown();
        }
        let width = style.width();
        match self {
            Self::Heading(text) => {
                wrapped("", "  ", &plain(text), width).lines().map(|line| style.bold(line) + "\n").collect()
            }
            Self::Line(text) => wrapped("", "  ", &plain(text), width),
            Self::Command(label, words) => command_text(label, words, width),
            Self::Items(items) => items.iter().map(|item| item_text(item, width)).collect(),
            Self::Facts(facts) => {
                let label_width = facts.iter().map(|(label, _)| label.chars().count()).max().unwrap_or_default();
                facts.iter().map(|(label, value)| fact_text(label, value, label_width, style)).collect()
            }
            Self::Table(table) => table.render(style),
        }
    }

    fn markdown(&self) -> String {
        match self {
            Self::Heading(text) => format!("## {}\n", escaped(text)),
            Self::Line(text) => format!("{}\n", escaped(text)),
            Self::Command(label, words) => format!("    {}", command_text(label, words, None)),
            Self::Items(items) => items
                .iter()
                .map(|item| format!("{}- {}\n", " ".repeat(depth(item)), escaped(item.trim_start())))
                .collect(),
            Self::Facts(facts) => {
                facts.iter().map(|(label, value)| format!("- **{}**: {}\n", escaped(label), escaped(value))).collect()
            }
            Self::Table(table) => table.render(Style::Markdown),
        }
    }
}

fn depth(item: &str) -> usize {
    item.chars().take_while(|c| *c == ' ').count()
}

fn item_text(item: &str, width: Option<usize>) -> String {
    let indent = " ".repeat(2 + depth(item));
    wrapped(&indent, &format!("{indent}  "), plain(item).trim_start(), width)
}

/// A command that a shell reads as one, in lines that fit.
fn command_text(label: &str, words: &[String], width: Option<usize>) -> String {
    let (mut text, mut used) = (label.to_owned(), label.width());
    for (i, word) in words.iter().enumerate() {
        let word = plain(word);
        // A line that is not the last has a blank and a backslash at its end.
        if i > 0 && width.is_some_and(|width| used + 1 + word.width() + 2 > width) {
            text.push_str(" \\\n  ");
            used = 2;
        } else if i > 0 {
            text.push(' ');
            used += 1;
        }
        text.push_str(&word);
        used += word.width();
    }
    text.push('\n');
    text
}

/// A label and its value. On a narrow terminal, or where a word such as a link does not fit beside it, the value is below.
fn fact_text(label: &str, value: &str, label_width: usize, style: Style) -> String {
    let pad = " ".repeat(label_width.saturating_sub(label.chars().count()));
    let hanging = " ".repeat(label_width + 4);
    let width = style.width();
    let first = format!("  {}{pad}  ", style.dim(label));
    let longest_word = value.split_whitespace().map(UnicodeWidthStr::width).max().unwrap_or_default();
    if width.is_some_and(|width| width < label_width + 24 || width < hanging.len() + longest_word) {
        return format!("  {}\n{}", style.dim(label), wrapped("    ", "    ", &plain(value), width));
    }
    let text = wrapped(&hanging, &hanging, &plain(value), width);
    // The first line has the label in place of the blanks.
    format!("{first}{}", text.get(hanging.len()..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [Column::new("ASIN"), Column::number("Price"), Column::cut("Title")];

    fn row(cells: [&str; 3]) -> Vec<String> {
        cells.map(str::to_owned).to_vec()
    }

    #[test]
    fn a_long_command_goes_on_as_a_shell_reads_it() {
        let words = ["stockroom", "search", "'desk lamp'", "--page-token", "AUK"].map(str::to_owned);
        let mut page = Page::default();
        page.command("next: ", words.to_vec());
        let expected = "next: stockroom search \\\n  'desk lamp' \\\n  --page-token AUK\n";
        assert_eq!(page.render(Style::Text(Some(25))), expected);
        assert_eq!(page.render(Style::Text(None)), "next: stockroom search 'desk lamp' --page-token AUK\n");
    }

    #[test]
    fn text_wraps_between_words_with_a_hanging_indent() {
        let mut page = Page::default();
        page.line("one two three four five six").items(vec!["seven eight nine ten eleven".to_owned()]).facts(vec![
            ("label", "alpha beta gamma delta epsilon".to_owned()),
            ("x", "https://example.com/a/very/long/link/that/does/not/fit".to_owned()),
        ]);
        let expected = "\
one two three four five
  six
  seven eight nine ten
    eleven
  label
    alpha beta gamma delta
    epsilon
  x
    https://example.com/a/very/long/link/that/does/not/fit
";
        assert_eq!(page.render(Style::Text(Some(26))), expected);
        let wide = page.render(Style::Text(Some(32)));
        assert!(wide.contains("  label  alpha beta gamma delta\n         epsilon\n"), "{wide}");
    }

    #[test]
    fn a_table_fits_the_terminal_whatever_the_width_of_its_letters() {
        let rows = vec![
            row(["B000000001", "¥3,200", "無線ヘッドホン 折りたたみ式 長時間再生"]),
            row(["B000000002", "", "Plain"]),
        ];
        let text = Page::default().table(&COLUMNS, rows).render(Style::Text(Some(36)));
        let expected = "ASIN        Price Title\n----        ----- -----\n\
                        B000000001 ¥3,200 無線ヘッドホン…\nB000000002        Plain\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_narrow_terminal_shows_fewer_columns_rather_than_no_titles() {
        let columns =
            [Column::new("ASIN"), Column::cut("Title"), Column::new("Prime").spare(), Column::new("Stock").spare()];
        let row = ["B000000001", "An Example Lamp", "yes", "In stock"].map(str::to_owned).to_vec();
        let head = |width| {
            let text = Page::default().table(&columns, vec![row.clone()]).render(Style::Text(Some(width)));
            text.lines().next().unwrap_or_default().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(head(60), ["ASIN", "Title", "Prime", "Stock"]);
        assert_eq!(head(40), ["ASIN", "Title", "Prime"]);
        assert_eq!(head(30), ["ASIN", "Title"]);
    }

    #[test]
    fn no_line_of_a_table_is_wider_than_the_terminal() {
        let columns =
            [Column::new("Code"), Column::new("Marketplace"), Column::new("Country"), Column::cut("Languages")];
        let row =
            ["UK", "www.amazon.co.uk", "United Kingdom", "en_GB, de_DE, fr_FR, pl_PL"].map(str::to_owned).to_vec();
        for width in [20, 30, 40, 60, 80] {
            let text = Page::default().table(&columns, vec![row.clone()]).render(Style::Text(Some(width)));
            assert_eq!(text.lines().count(), 3, "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= usize::from(width)), "{width}:\n{text}");
        }
    }

    #[test]
    fn without_a_terminal_nothing_is_cut() {
        let long = "word ".repeat(60);
        let text =
            Page::default().table(&COLUMNS, vec![row(["B000000001", "$1", long.trim()])]).render(Style::Text(None));
        assert!(text.contains(long.trim()));
    }

    #[test]
    fn an_empty_column_is_left_out() {
        let text = Page::default().table(&COLUMNS, vec![row(["B000000001", "", "Plain"])]).render(Style::Markdown);
        assert_eq!(text, "| ASIN | Title |\n| --- | --- |\n| B000000001 | Plain |\n");
    }

    #[test]
    fn foreign_text_controls_neither_the_terminal_nor_markdown() {
        let mut page = Page::default();
        page.line("a\u{1b}[31mred\nnext | *bold* <b>\u{202e}");
        assert_eq!(page.render(Style::Text(None)), "a [31mred next | *bold* <b>\n");
        assert_eq!(page.render(Style::Markdown), "a \\[31mred next \\| \\*bold\\* \\<b>\n");
    }
}
