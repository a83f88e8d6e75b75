//! Tables: no wider than the terminal, one line a row.

use unicode_width::UnicodeWidthStr;

use super::{
    Style,
    text::{cut, escaped, plain},
};

/// The width that a cut column keeps, before other columns give way.
const MIN_CUT_WIDTH: usize = 16;
/// The width that any column keeps.
const MIN_WIDTH: usize = 3;

/// Rows below a head.
#[derive(Debug)]
pub(in crate::cli) struct Table {
    pub(in crate::cli) columns: Vec<Column>,
    pub(in crate::cli) rows: Vec<Vec<String>>,
}

/// One column of a table.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Column {
    title: &'static str,
    right: bool,
    /// Whether this column is shortened first.
    cut: bool,
    /// Whether a narrow terminal leaves the column out.
    spare: bool,
    /// A width that does not depend on the rows, for rows that follow one by one.
    fixed: Option<usize>,
}

/// The columns that are shown and their widths, for rows that follow one by one.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Layout {
    columns: Vec<Column>,
    /// By column; `None`: the column is not shown.
    widths: Vec<Option<usize>>,
    gap: usize,
    style: Style,
}

impl Column {
    pub(in crate::cli) const fn new(title: &'static str) -> Self {
        Self { title, right: false, cut: false, spare: false, fixed: None }
    }

    pub(in crate::cli) const fn number(title: &'static str) -> Self {
        Self { right: true, ..Self::new(title) }
    }

    pub(in crate::cli) const fn cut(title: &'static str) -> Self {
        Self { cut: true, ..Self::new(title) }
    }

    pub(in crate::cli) const fn wide(self, width: usize) -> Self {
        Self { fixed: Some(width), ..self }
    }

    /// A column that a narrow terminal leaves out.
    pub(in crate::cli) const fn spare(self) -> Self {
        Self { spare: true, ..self }
    }
}

impl Table {
    pub(super) fn without_empty_columns(self) -> Self {
        let filled = |i: usize| self.rows.iter().any(|row| row.get(i).is_some_and(|cell| !cell.is_empty()));
        let keep: Vec<bool> = (0..self.columns.len()).map(filled).collect();
        let rows = self.rows.iter().map(|row| kept(row, &keep)).collect();
        Self { columns: kept(&self.columns, &keep), rows }
    }

    pub(super) fn render(&self, style: Style) -> String {
        let layout = self.layout(style);
        layout.head(true) + &layout.rows(&self.rows)
    }

    /// The layout for these rows, and for rows that follow.
    pub(in crate::cli) fn layout(&self, style: Style) -> Layout {
        let width = style.width();
        // A narrow terminal has no room to spare.
        let gap = if width.is_some_and(|width| width < 100) { 1 } else { 2 };
        let content = |i: usize, column: &Column| {
            let cells = self.rows.iter().filter_map(|row| row.get(i)).map(|cell| plain(cell).width());
            column.fixed.unwrap_or_else(|| cells.max().unwrap_or_default().max(column.title.len()))
        };
        let mut widths: Vec<Option<usize>> =
            self.columns.iter().enumerate().map(|(i, column)| Some(content(i, column))).collect();
        if let Some(width) = width {
            // Rows that follow one by one have the rest of the line for their cut column.
            if self.rows.is_empty() {
                let cut = widths.iter_mut().zip(&self.columns).filter(|(_, column)| column.cut);
                cut.for_each(|(cut, _)| *cut = Some(width));
            }
            fit(&mut widths, &self.columns, gap, width);
        }
        Layout { columns: self.columns.clone(), widths, gap, style }
    }
}

/// Makes the columns fit: first the cut column is shortened, then spare columns go, the last first, then all others are
/// shortened, the widest first.
fn fit(widths: &mut [Option<usize>], columns: &[Column], gap: usize, width: usize) {
    let excess = |widths: &[Option<usize>]| {
        let shown: Vec<usize> = widths.iter().flatten().copied().collect();
        (shown.iter().sum::<usize>() + gap * shown.len().saturating_sub(1)).saturating_sub(width)
    };
    let shorten = |widths: &mut [Option<usize>], least: usize| {
        let over = excess(widths);
        for (width, _) in widths.iter_mut().zip(columns).filter(|(_, column)| column.cut) {
            if let Some(width) = width.as_mut().filter(|width| **width > least) {
                *width = width.saturating_sub(over).max(least);
            }
        }
    };
    shorten(widths, MIN_CUT_WIDTH);
    for i in (0..columns.len()).rev() {
        if excess(widths) > 0 && columns.get(i).is_some_and(|column| column.spare) {
            widths.iter_mut().skip(i).take(1).for_each(|width| *width = None);
        }
    }
    while excess(widths) > 0 {
        let widest = widths.iter_mut().flatten().max();
        match widest.filter(|widest| **widest > MIN_WIDTH) {
            Some(widest) => *widest -= 1,
            None => break,
        }
    }
}

impl Layout {
    /// The titles, and below them a rule where rows follow at once.
    pub(in crate::cli) fn head(&self, ruled: bool) -> String {
        let titles: Vec<String> = self.columns.iter().map(|column| column.title.to_owned()).collect();
        if self.style == Style::Markdown {
            let rule: String =
                self.columns.iter().map(|column| if column.right { " ---: |" } else { " --- |" }).collect();
            return format!("{}|{rule}\n", markdown_row(&titles));
        }
        let head = self.style.bold(self.row(&titles).trim_end()) + "\n";
        let widths = self.widths.iter().map(|width| width.unwrap_or_default());
        let rule = titles.iter().zip(widths).map(|(title, width)| "-".repeat(title.width().min(width)));
        let rule: Vec<String> = rule.collect();
        if ruled { head + &self.row(&rule) } else { head }
    }

    /// Rows without a head.
    pub(in crate::cli) fn rows(&self, rows: &[Vec<String>]) -> String {
        let row = |row: &Vec<String>| if self.style == Style::Markdown { markdown_row(row) } else { self.row(row) };
        rows.iter().map(row).collect()
    }

    fn row(&self, cells: &[String]) -> String {
        let mut line = String::new();
        for ((cell, column), width) in cells.iter().zip(&self.columns).zip(&self.widths) {
            let Some(width) = width else { continue };
            let cell = plain(cell);
            // Without a terminal nothing is cut.
            let cell = if self.style.width().is_some() { cut(&cell, *width) } else { cell };
            let pad = " ".repeat(width.saturating_sub(cell.width()));
            let cell = if column.right { pad + &cell } else { cell + &pad };
            line.push_str(&cell);
            line.push_str(&" ".repeat(self.gap));
        }
        format!("{}\n", line.trim_end())
    }
}

fn kept<T: Clone>(all: &[T], keep: &[bool]) -> Vec<T> {
    all.iter().zip(keep).filter(|(_, keep)| **keep).map(|(one, _)| one.clone()).collect()
}

fn markdown_row(cells: &[String]) -> String {
    let cells: String = cells.iter().map(|cell| format!(" {} |", escaped(cell))).collect();
    format!("|{cells}\n")
}
