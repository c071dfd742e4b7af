//! `tidegate completions` and `tidegate man`: both are made from the definitions of the options, so that
//! they cannot fall behind them.

use clap::{Command, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use tidegate::error::{Error, Result};
use tidegate::terminal;

/// Options of `completions`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Shell to print completions for
    shell: Shell,
}

/// Options of `man`.
#[derive(Debug, clap::Args)]
pub(super) struct ManArgs {
    /// Verb whose page is printed; without it the page of tidegate
    verb: Option<String>,
}

pub(super) fn completions(args: Args) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tidegate", &mut script);
    terminal::print(String::from_utf8_lossy(&script).trim_end());
    Ok(())
}

pub(super) fn man(args: ManArgs) -> Result<()> {
    let page = page(args.verb.as_deref())?;
    terminal::print(page.trim_end());
    Ok(())
}

/// A page in roff, as `man -l -` reads it.
fn page(verb: Option<&str>) -> Result<String> {
    let mut command = Cli::command();
    command.build();
    let command = match verb {
        None => command,
        Some(verb) => of_verb(&command, verb)?,
    };
    let mut page = Vec::new();
    let title = verb.map_or_else(|| "tidegate".to_owned(), |verb| format!("tidegate-{verb}"));
    clap_mangen::Man::new(command)
        .title(title)
        .render(&mut page)
        .map_err(|error| Error::environment(format!("no manual page: {error}")))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn of_verb(command: &Command, verb: &str) -> Result<Command> {
    command.find_subcommand(verb).cloned().ok_or_else(|| {
        Error::environment(format!("there is no verb `{verb}`"))
            .hint("`tidegate --help` lists them all")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_a_manual_page_that_names_its_options() {
        for verb in Cli::command().get_subcommands() {
            let page = page(Some(verb.get_name())).unwrap();
            assert!(page.contains(".SH SYNOPSIS"), "{page}");
        }
        assert!(page(Some("tune")).unwrap().contains("\\-\\-budget"));
        assert!(page(Some("fly")).unwrap_err().to_string().contains("no verb `fly`"));
    }

    #[test]
    fn the_definitions_contradict_nothing() {
        Cli::command().debug_assert();
    }
}
