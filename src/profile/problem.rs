//! What is wrong with a profile, told with file, line, column, the line itself and the nearest right spelling.

use std::{fmt, ops::Range};

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity, SourceCode};

use super::load::Source;
use crate::fault::written::{Complaint, yaml};

/// One thing wrong with a profile. Rendered by [`Problem::render`], or by miette.
#[derive(Debug)]
pub struct Problem {
    message: String,
    help: Option<String>,
    severity: Severity,
    place: Option<Place>,
}

/// Where a problem lies. Line and column count from 1, columns in characters.
#[derive(Debug)]
struct Place {
    source: NamedSource<String>,
    span: Range<usize>,
    line: usize,
    column: usize,
}

impl Problem {
    /// An error that lies nowhere in a text: a profile that cannot be found or read.
    pub(super) fn nowhere(message: impl Into<String>, help: Option<String>) -> Self {
        Self { message: message.into(), help, severity: Severity::Error, place: None }
    }

    /// An error about a part of a text.
    pub(super) fn error(source: &Source, complaint: Complaint) -> Self {
        let span = yaml::locate(&source.text, complaint.at);
        Self::new(source, complaint.message, complaint.help, span, Severity::Error)
    }

    /// A warning about a part of a text: the profile runs all the same.
    pub(super) fn warning(source: &Source, complaint: Complaint) -> Self {
        Self { severity: Severity::Warning, ..Self::error(source, complaint) }
    }

    /// A text that is not YAML.
    pub(super) fn syntax(source: &Source, error: yaml::SyntaxError) -> Self {
        Self::new(source, error.message, None, error.span, Severity::Error)
    }

    fn new(
        source: &Source,
        message: String,
        help: Option<String>,
        span: Option<Range<usize>>,
        severity: Severity,
    ) -> Self {
        let place = span.and_then(|span| within(&source.text, span)).map(|span| {
            let before = source.text.get(..span.start).unwrap_or_default();
            let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
            Place {
                line: before.matches('\n').count() + 1,
                column: before[line_start..].chars().count() + 1,
                source: NamedSource::new(&source.name, source.text.clone()),
                span,
            }
        });
        Self { message, help, severity, place }
    }

    /// What is wrong, in one sentence.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// Whether the profile runs all the same.
    pub fn is_warning(&self) -> bool {
        self.severity == Severity::Warning
    }

    /// File, line and column, each counted from 1.
    pub fn position(&self) -> Option<(&str, usize, usize)> {
        self.place.as_ref().map(|place| (place.source.name(), place.line, place.column))
    }

    /// The problem in one line, for a log: `file:line:column: message`.
    pub fn in_one_line(&self) -> String {
        match self.position() {
            Some((file, line, column)) => format!("{file}:{line}:{column}: {}", self.message),
            None => self.message.clone(),
        }
    }

    /// The problem as people read it: in colour with line art for a terminal, in plain ASCII otherwise. Ends with a newline.
    pub fn render(&self, colour: bool) -> String {
        let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::none() };
        let handler = GraphicalReportHandler::new_themed(theme).with_context_lines(1).with_links(false).with_width(140);
        let mut text = String::new();
        match handler.render_report(&mut text, self) {
            Ok(()) => text,
            Err(fmt::Error) => format!("{self}\n"),
        }
    }
}

/// A span at the end of a text, behind its last word, has no line to show: the last character is shown in its place.
fn within(text: &str, span: Range<usize>) -> Option<Range<usize>> {
    let end = text.trim_end().len();
    if span.start < end { Some(span) } else { text[..end].char_indices().next_back().map(|(last, _)| last..end) }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.place.as_ref().map(|place| &place.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.place.as_ref()?;
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(None, place.span.clone()))))
    }
}

/// Why profiles cannot run: all problems found, in the order of the text; at least one of them an error.
#[derive(Debug)]
pub struct LoadError {
    problems: Vec<Problem>,
}

impl LoadError {
    pub(super) fn new(mut problems: Vec<Problem>) -> Self {
        // What is wrong in an anchored value is wrong again in each alias of it.
        problems.dedup_by(|second, first| second.position().is_some() && second.in_one_line() == first.in_one_line());
        Self { problems }
    }

    /// Everything found, warnings included.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// All problems as people read them; see [`Problem::render`].
    pub fn render(&self, colour: bool) -> String {
        self.problems.iter().map(|problem| problem.render(colour)).collect()
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [only] => f.write_str(&only.in_one_line()),
            problems => write!(f, "the profiles have {} problems", problems.len()),
        }
    }
}

impl std::error::Error for LoadError {}

impl Diagnostic for LoadError {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.problems.iter().map(|problem| problem as &dyn Diagnostic)))
    }
}
