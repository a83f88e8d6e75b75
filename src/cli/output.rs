//! The one way to stdout. A reader that closes it, as `head` does, ends the command quietly.

use std::{
    fmt,
    io::{self, ErrorKind, IsTerminal, Write},
};

use stockroom_proto::pb;

use super::{
    exit::{Failure, Outcome},
    format,
    json::{AnswerMessage, JsonLayout, to_json},
    page::{Page, Style},
};

/// The format of answers.
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

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    Always,
    Never,
}

/// Writes answers.
pub(super) struct Output {
    writer: Box<dyn Write + Send>,
    format: Format,
    width: Option<u16>,
    colour: bool,
    screen: bool,
}

impl Output {
    /// Writes to stdout without colour; tables fit the terminal if it is one.
    pub(super) fn stdout(format: Format) -> Self {
        let width = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0);
        // Some terminals do not know their width, and report 0.
        let width = width.filter(|width| *width > 0);
        Self { writer: Box::new(io::stdout()), format, width, colour: false, screen: false }
    }

    pub(super) fn coloured(mut self, colour: Colour, no_color: bool) -> Self {
        self.colour = match colour {
            Colour::Auto => io::stdout().is_terminal() && !no_color,
            Colour::Always => true,
            Colour::Never => false,
        };
        self
    }

    /// The look of a page; `None` for JSON.
    pub(super) fn style(&self) -> Option<Style> {
        match self.format {
            Format::Table if self.colour => Some(Style::Colour(self.width)),
            Format::Table => Some(Style::Text(self.width)),
            Format::Markdown => Some(Style::Markdown),
            Format::Json => None,
        }
    }

    /// Writes an answer: as JSON, or as the page made of it.
    pub(super) fn answer<M: AnswerMessage>(
        &mut self,
        answer: &M,
        page: impl FnOnce(&M) -> Page,
    ) -> Result<(), Failure> {
        match self.style() {
            Some(style) => self.text(&page(answer).render(style)),
            None => self.json(answer, JsonLayout::Pretty),
        }
    }

    /// Writes the estimate that an answer carries instead of results: as JSON, or as a sentence.
    pub(super) fn estimate<M: AnswerMessage>(
        &mut self,
        answer: &M,
        cost: Option<&pb::Cost>,
    ) -> Result<Outcome, Failure> {
        self.answer(answer, |_| format::estimate(cost))?;
        Ok(Outcome::Done)
    }

    /// Uses the terminal's second screen until this is dropped, so that the first stays as it was. Nothing where tables do not
    /// go to a terminal.
    pub(super) fn enter_screen(&mut self) -> Result<(), Failure> {
        if self.format == Format::Table && self.width.is_some() {
            self.screen = true;
            self.text("\x1b[?1049h\x1b[?25l")?;
        }
        Ok(())
    }

    /// Begins the screen anew and writes the text in one piece, which does not flicker.
    pub(super) fn frame(&mut self, text: &str) -> Result<(), Failure> {
        if !self.screen {
            return self.text(text);
        }
        // Each line clears what it had before; below the last all is cleared.
        let lines: String = text.lines().map(|line| format!("{line}\x1b[K\n")).collect();
        self.text(&format!("\x1b[H{lines}\x1b[J"))
    }

    /// Writes a message as JSON.
    pub(super) fn json(&mut self, message: &impl AnswerMessage, layout: JsonLayout) -> Result<(), Failure> {
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

impl Drop for Output {
    fn drop(&mut self) {
        if self.screen {
            // A terminal that is gone needs no restoring.
            let _ = self.text("\x1b[?25h\x1b[?1049l");
        }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("format", &self.format).field("width", &self.width).finish_non_exhaustive()
    }
}
