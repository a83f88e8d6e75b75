//! The one way to stdout. Where its reader leaves, as `head` does, the command ends quietly.

use std::{
    fmt,
    io::{self, ErrorKind, IsTerminal, Write},
};

use super::{
    exit::Failure,
    json::{Answer, Layout, to_json},
    page::{Page, Style},
};

/// How answers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// Tables for people.
    #[default]
    Table,
    /// Proto3 JSON: lowerCamelCase, absent fields left out; streams as one message a line.
    Json,
    /// GitHub's Markdown.
    Markdown,
}

/// Where answers are written.
pub(super) struct Output {
    writer: Box<dyn Write + Send>,
    format: Format,
    width: Option<u16>,
}

impl Output {
    /// Writes to stdout; tables fit the terminal where it is one.
    pub(super) fn stdout(format: Format) -> Self {
        let width = if io::stdout().is_terminal() { comfy_table::Table::new().width() } else { None };
        // Some terminals do not tell their width, and say that it is 0.
        let width = width.filter(|width| *width > 0);
        Self { writer: Box::new(io::stdout()), format, width }
    }

    /// How a page looks here; `None` where JSON is wanted.
    pub(super) fn style(&self) -> Option<Style> {
        match self.format {
            Format::Table => Some(Style::Text(self.width)),
            Format::Markdown => Some(Style::Markdown),
            Format::Json => None,
        }
    }

    /// Writes an answer: as JSON, or as the page that is made of it.
    pub(super) fn answer<M: Answer>(&mut self, answer: &M, page: impl FnOnce(&M) -> Page) -> Result<(), Failure> {
        match self.style() {
            Some(style) => self.text(&page(answer).render(style)),
            None => self.json(answer, Layout::Pretty),
        }
    }

    /// Begins the page anew, on a terminal.
    pub(super) fn clear(&mut self) -> Result<(), Failure> {
        match (self.format, self.width) {
            (Format::Table, Some(_)) => self.text("\x1b[H\x1b[2J"),
            _ => Ok(()),
        }
    }

    /// Writes a message as JSON.
    pub(super) fn json(&mut self, message: &impl Answer, layout: Layout) -> Result<(), Failure> {
        let json = to_json(message, layout).map_err(Failure::local("the answer cannot be written as JSON"))?;
        self.text(&(json + "\n"))
    }

    /// Writes text as it is.
    pub(super) fn text(&mut self, text: &str) -> Result<(), Failure> {
        let written = self.writer.write_all(text.as_bytes()).and_then(|()| self.writer.flush());
        written.map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => Failure::OutputClosed,
            _ => Failure::Output(error),
        })
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("format", &self.format).field("width", &self.width).finish_non_exhaustive()
    }
}
