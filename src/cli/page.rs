//! What a command tells, apart from how it looks: the same page becomes text for a terminal or Markdown.

use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Row, Width, presets};

/// How a page looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Text, no wider than this where a width is known.
    Text(Option<u16>),
    /// GitHub's Markdown.
    Markdown,
}

/// What is told, from top to bottom.
#[derive(Debug, Default)]
pub(super) struct Page {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Heading(String),
    Line(String),
    Items(Vec<String>),
    Facts(Vec<(String, String)>),
    Table(Table),
}

/// Rows below a head.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<String>>,
}

/// One column of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    title: &'static str,
    room: Room,
    align: CellAlignment,
    spare: bool,
}

/// What a column that is cut must be able to show, before others make room for it.
const LEAST_REST: usize = 16;

/// How much room a column gets.
#[derive(Clone, Copy, Debug)]
enum Room {
    /// What its content needs.
    Content,
    /// What the others leave; longer content is cut.
    Rest,
    /// This much, in each row that is printed alone.
    Fixed(u16),
}

impl Column {
    pub(super) const fn new(title: &'static str) -> Self {
        Self { title, room: Room::Content, align: CellAlignment::Left, spare: false }
    }

    pub(super) const fn number(title: &'static str) -> Self {
        Self { align: CellAlignment::Right, ..Self::new(title) }
    }

    pub(super) const fn cut(title: &'static str) -> Self {
        Self { room: Room::Rest, ..Self::new(title) }
    }

    pub(super) const fn wide(self, width: u16) -> Self {
        Self { room: Room::Fixed(width), ..self }
    }

    /// One that a narrow terminal leaves out.
    pub(super) const fn spare(self) -> Self {
        Self { spare: true, ..self }
    }
}

impl Page {
    pub(super) fn heading(&mut self, text: impl Into<String>) -> &mut Self {
        self.parts.push(Part::Heading(text.into()));
        self
    }

    /// A line of text; nothing where it is empty.
    pub(super) fn line(&mut self, text: impl Into<String>) -> &mut Self {
        let text = text.into();
        if !text.is_empty() {
            self.parts.push(Part::Line(text));
        }
        self
    }

    pub(super) fn items(&mut self, items: Vec<String>) -> &mut Self {
        self.parts.push(Part::Items(items));
        self
    }

    /// Labels and values; those without a value are left out.
    pub(super) fn facts(&mut self, facts: Vec<(&str, String)>) -> &mut Self {
        let known = facts.into_iter().filter(|(_, value)| !value.is_empty());
        let known: Vec<(String, String)> = known.map(|(label, value)| (label.to_owned(), value)).collect();
        if !known.is_empty() {
            self.parts.push(Part::Facts(known));
        }
        self
    }

    /// A table without the columns in which no row has anything; nothing where there are no rows.
    pub(super) fn table(&mut self, columns: &[Column], rows: Vec<Vec<String>>) -> &mut Self {
        if !rows.is_empty() {
            self.parts.push(Part::Table(Table { columns: columns.to_vec(), rows }.without_empty_columns()));
        }
        self
    }

    /// The page as text that ends with a line end.
    pub(super) fn render(&self, style: Style) -> String {
        let mut text = String::new();
        for part in &self.parts {
            let block = part.render(style);
            let apart = matches!(part, Part::Heading(_) | Part::Table(_)) || style == Style::Markdown;
            if !text.is_empty() && apart {
                text.push('\n');
            }
            text.push_str(&block);
        }
        text
    }
}

impl Part {
    fn render(&self, style: Style) -> String {
        match (self, style) {
            (Self::Heading(text), Style::Text(_)) => format!("{}\n", plain(text)),
            (Self::Heading(text), Style::Markdown) => format!("## {}\n", escaped(text)),
            (Self::Line(text), Style::Text(_)) => format!("{}\n", plain(text)),
            (Self::Line(text), Style::Markdown) => format!("{}\n", escaped(text)),
            (Self::Items(items), Style::Text(_)) => lines(items, |item| format!("  {}", plain(item))),
            (Self::Items(items), Style::Markdown) => lines(items, |item| {
                let depth = item.chars().take_while(|c| *c == ' ').count();
                format!("{}- {}", " ".repeat(depth), escaped(item.trim_start()))
            }),
            (Self::Facts(facts), Style::Text(_)) => {
                let width = facts.iter().map(|(label, _)| label.chars().count()).max().unwrap_or_default();
                lines(facts, |(label, value)| format!("  {label:<width$}  {}", plain(value)))
            }
            (Self::Facts(facts), Style::Markdown) => {
                lines(facts, |(label, value)| format!("- **{}**: {}", escaped(label), escaped(value)))
            }
            (Self::Table(table), style) => table.head_and_rows(style),
        }
    }
}

impl Table {
    fn without_empty_columns(self) -> Self {
        let filled = |i: usize| self.rows.iter().any(|row| row.get(i).is_some_and(|cell| !cell.is_empty()));
        let keep: Vec<bool> = (0..self.columns.len()).map(filled).collect();
        self.with_columns(&keep)
    }

    fn with_columns(&self, keep: &[bool]) -> Self {
        let rows = self.rows.iter().map(|row| kept(row, keep)).collect();
        Self { columns: kept(&self.columns, keep), rows }
    }

    /// The table without the spare columns that a terminal has no room for, the last of them first.
    fn narrowed(&self, width: Option<u16>) -> Self {
        let apart = usize::from(gap(width));
        let needs: Vec<usize> =
            self.columns.iter().enumerate().map(|(i, column)| self.needs(i, column) + apart).collect();
        let mut excess = needs.iter().sum::<usize>().saturating_sub(width.map_or(usize::MAX, usize::from));
        let mut keep = vec![true; self.columns.len()];
        let spare = self.columns.iter().zip(&mut keep).zip(needs).rev().filter(|((column, _), _)| column.spare);
        for ((_, keep), need) in spare {
            *keep = excess == 0;
            excess = excess.saturating_sub(need);
        }
        self.with_columns(&keep)
    }

    fn needs(&self, i: usize, column: &Column) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(i)).map(|cell| cell.chars().count());
        match column.room {
            Room::Content => cells.max().unwrap_or_default().max(column.title.len()),
            Room::Rest => LEAST_REST,
            Room::Fixed(chars) => chars.into(),
        }
    }

    fn head_and_rows(&self, style: Style) -> String {
        match style {
            Style::Text(width) => {
                let table = self.narrowed(width);
                let titles = table.titles();
                let rule = titles.iter().map(|title| "-".repeat(title.chars().count())).collect();
                table.text([titles, rule].into_iter().chain(table.rows.iter().cloned()), width)
            }
            Style::Markdown => self.head(style) + &self.rows(style),
        }
    }

    /// The head alone, for rows that follow one by one.
    pub(super) fn head(&self, style: Style) -> String {
        match style {
            Style::Text(width) => {
                let table = self.narrowed(width);
                table.text([table.titles()], width)
            }
            Style::Markdown => {
                let rule = self
                    .columns
                    .iter()
                    .map(|column| if column.align == CellAlignment::Right { " ---: |" } else { " --- |" });
                format!("{}|{}\n", markdown_row(&self.titles()), rule.collect::<String>())
            }
        }
    }

    /// The rows alone.
    pub(super) fn rows(&self, style: Style) -> String {
        match style {
            Style::Text(width) => {
                let table = self.narrowed(width);
                table.text(table.rows.iter().cloned(), width)
            }
            Style::Markdown => self.rows.iter().map(|row| markdown_row(row)).collect(),
        }
    }

    fn titles(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.title.to_owned()).collect()
    }

    fn text(&self, rows: impl IntoIterator<Item = Vec<String>>, width: Option<u16>) -> String {
        let mut table = comfy_table::Table::new();
        table.load_preset(presets::NOTHING).force_no_tty().set_truncation_indicator("…");
        if let Some(width) = width {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        let gap = gap(width);
        for cells in rows {
            let aligned = cells.iter().zip(&self.columns);
            let mut row = Row::from(
                aligned.map(|(cell, column)| Cell::new(plain(cell)).set_alignment(column.align)).collect::<Vec<_>>(),
            );
            row.max_height(1);
            table.add_row(row);
        }
        for (i, column) in self.columns.iter().enumerate() {
            let Some(drawn) = table.column_mut(i) else { continue };
            drawn.set_padding((0, gap));
            match column.room {
                Room::Content => drop(drawn.set_constraint(ColumnConstraint::ContentWidth)),
                Room::Rest => {}
                Room::Fixed(chars) => drop(drawn.set_constraint(ColumnConstraint::Absolute(Width::Fixed(chars + gap)))),
            }
        }
        lines(&table.lines().collect::<Vec<_>>(), |line| line.trim_end().to_owned())
    }
}

/// What stands between two columns. A narrow terminal has no room to spare.
fn gap(width: Option<u16>) -> u16 {
    if width.is_some_and(|width| width < 100) { 1 } else { 2 }
}

fn kept<T: Clone>(all: &[T], keep: &[bool]) -> Vec<T> {
    all.iter().zip(keep).filter(|(_, keep)| **keep).map(|(one, _)| one.clone()).collect()
}

fn lines<T>(all: &[T], line: impl Fn(&T) -> String) -> String {
    all.iter().map(|one| line(one) + "\n").collect()
}

fn markdown_row(cells: &[String]) -> String {
    let cells: String = cells.iter().map(|cell| format!(" {} |", escaped(cell))).collect();
    format!("|{cells}\n")
}

/// Text from elsewhere on one line, and without what would steer a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Text from elsewhere that Markdown must not take for markup.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in plain(text).chars() {
        if matches!(c, '\\' | '|' | '<' | '*' | '`' | '[') {
            safe.push('\\');
        }
        safe.push(c);
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [Column::new("ASIN"), Column::number("Price"), Column::cut("Title")];

    fn row(cells: [&str; 3]) -> Vec<String> {
        cells.map(str::to_owned).to_vec()
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
    fn without_a_terminal_nothing_is_cut() {
        let long = "word ".repeat(60);
        let text =
            Page::default().table(&COLUMNS, vec![row(["B000000001", "$1", long.trim()])]).render(Style::Text(None));
        assert!(text.contains(long.trim()));
    }

    #[test]
    fn a_column_in_which_nothing_stands_is_left_out() {
        let text = Page::default().table(&COLUMNS, vec![row(["B000000001", "", "Plain"])]).render(Style::Markdown);
        assert_eq!(text, "| ASIN | Title |\n| --- | --- |\n| B000000001 | Plain |\n");
    }

    #[test]
    fn foreign_text_steers_neither_the_terminal_nor_markdown() {
        let mut page = Page::default();
        page.line("a\u{1b}[31mred\nnext | *bold* <b>");
        assert_eq!(page.render(Style::Text(None)), "a [31mred next | *bold* <b>\n");
        assert_eq!(page.render(Style::Markdown), "a \\[31mred next \\| \\*bold\\* \\<b>\n");
    }
}
