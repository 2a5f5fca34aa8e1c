//! What was refused, told: the first of it at the end, all of it in a file.
//!
//! The file is CSV: `file,line,column,reason,text,message`. Rows that were sent again after an interruption may stand there twice.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use anyhow::Context;

/// How many are told at the end.
const KEPT: usize = 10;

/// A row, or a reading of it, that is not in.
#[derive(Clone, Debug)]
pub(super) struct Refusal<'a> {
    pub(super) file: &'a str,
    pub(super) line: u64,
    pub(super) column: &'a str,
    pub(super) reason: &'a str,
    pub(super) text: &'a str,
    pub(super) message: &'a str,
}

/// Takes refusals.
pub(super) struct Refusals {
    out: Option<csv::Writer<BufWriter<File>>>,
    /// The first, as they are told.
    pub(super) first: Vec<String>,
}

impl Refusals {
    /// Opens the file, to go on with it or anew.
    pub(super) fn open(path: Option<&Path>, go_on: bool) -> anyhow::Result<Self> {
        let out = path
            .map(|path| writer(path, go_on).with_context(|| format!("file of refusals {}", path.display())));
        Ok(Self { out: out.transpose()?, first: Vec::new() })
    }

    pub(super) fn add(&mut self, refusal: &Refusal<'_>) -> anyhow::Result<()> {
        let Refusal { file, line, column, reason, text, message } = *refusal;
        if self.first.len() < KEPT {
            let column = if column.is_empty() { String::new() } else { format!(" {column}") };
            self.first.push(format!("{file}:{line}{column}: {text:.60?}: {message}"));
        }
        match &mut self.out {
            Some(out) => out
                .write_record([file, &line.to_string(), column, reason, text, message])
                .context("file of refusals"),
            None => Ok(()),
        }
    }

    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        self.out.as_mut().map_or(Ok(()), csv::Writer::flush).context("file of refusals")
    }
}

fn writer(path: &Path, go_on: bool) -> anyhow::Result<csv::Writer<BufWriter<File>>> {
    let mut options = File::options();
    options.create(true);
    let file = if go_on {
        options.append(true).open(path)?
    } else {
        options.write(true).truncate(true).open(path)?
    };
    let is_new = file.metadata()?.len() == 0;
    let mut out = csv::Writer::from_writer(BufWriter::new(file));
    if is_new {
        out.write_record(["file", "line", "column", "reason", "text", "message"])?;
    }
    Ok(out)
}
