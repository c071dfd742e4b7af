//! What a user is told when something cannot be done: one sentence, what to do next, and the exit code.

use std::fmt;

use crate::escape;

/// Why the program stops, in the words of its exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The work was done and the answer is "no": a file failed, a check failed.
    AnswerIsNo,
    /// The request or the surroundings are at fault: usage, credentials, network, disk.
    Environment,
    /// The user pressed Ctrl-C.
    Interrupted,
}

/// An error with a sentence for the user and, where there is one, the next step.
#[derive(Clone, Debug, thiserror::Error)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
}

/// The result of everything that can stop the program.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A fault in the request or the surroundings (exit code 2).
    pub fn environment(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Environment, message: message.into(), hint: None }
    }

    /// The work is done and the answer is "no" (exit code 1).
    pub fn answer_is_no(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::AnswerIsNo, message: message.into(), hint: None }
    }

    /// The user interrupted (exit code 130).
    pub fn interrupted() -> Self {
        Self { kind: ErrorKind::Interrupted, message: "interrupted".into(), hint: None }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what else went wrong, on the way out.
    #[must_use]
    pub fn followed_by(mut self, other: Self) -> Self {
        self.message = format!("{}; then {}", self.message, other.message);
        self.hint = other.hint.or(self.hint);
        self
    }

    /// Adds what helps to understand it.
    #[must_use]
    pub fn followed_by_note(mut self, note: &str) -> Self {
        self.message = format!("{}; {note}", self.message);
        self
    }

    /// The sentence.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do next, if that is known.
    pub fn next_step(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Why the program stops.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            ErrorKind::AnswerIsNo => 1,
            ErrorKind::Environment => 2,
            ErrorKind::Interrupted => 130,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.message))?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {}", shown(hint)),
            None => Ok(()),
        }
    }
}

/// Without what would steer a terminal. Further lines are indented, so that none of them passes for one of
/// another kind.
fn shown(text: &str) -> String {
    escape::text(text).replace('\n', "\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_wrote_neither_steers_a_terminal_nor_passes_for_a_line_of_ours() {
        let error = Error::environment("a\u{1b}[2Jb\ntidegate: all is well").hint("c\u{202e}d");
        let shown = "a\\u{1b}[2Jb\n  tidegate: all is well\n  hint: c\\u{202e}d";
        assert_eq!(error.to_string(), shown);
        assert!(error.message().contains('\u{1b}'), "a document keeps it as it is");
    }
}
