//! What is to be read, and from where on.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use yiwang_catalogue::Catalogue;
use yiwang_files::{Mapping, Mark, Reader};

use super::state::{Known, Looks, State, beside};
use super::{Options, usage};
use crate::cli::Failed;

/// The most faults that are told.
const MAX_TOLD: usize = 10;

/// What is to be read, in order.
pub(super) struct Plan {
    /// Where the state is kept.
    pub(super) state_file: PathBuf,
    /// What is in already, for all files of this import.
    pub(super) state: State,
    /// Whether an earlier run left something.
    pub(super) is_resumed: bool,
    /// Files that are not wholly in.
    pub(super) files: Vec<Input>,
    /// Their bytes on disk.
    pub(super) bytes: u64,
}

/// A file to read.
#[derive(Clone, Debug)]
pub(super) struct Input {
    pub(super) path: PathBuf,
    /// Its name in the state.
    pub(super) name: String,
    pub(super) looks: Looks,
    /// From where on.
    pub(super) from: Mark,
}

impl Plan {
    /// Looks at all files, and at what an earlier run left; what cannot be read is told before anything is sent.
    pub(super) fn make(
        options: &Options,
        mapping: &Mapping,
        catalogue: &Catalogue,
        files: Vec<PathBuf>,
    ) -> Result<Self, Failed> {
        let state_file = options.state.clone().unwrap_or_else(|| beside(&options.inputs[0]));
        let before = earlier(options, &state_file)?;
        let mut state = State::new(digest(options, catalogue)?);
        let is_resumed = before.as_ref().is_some_and(|before| before.of == state.of);
        if before.is_some() && !is_resumed {
            eprintln!("{} is of another city, mapping or catalogue: beginning anew", state_file.display());
        }
        let mut before = before.filter(|_| is_resumed).unwrap_or_default();
        let (mut inputs, mut faults, mut bytes) = (Vec::new(), Vec::new(), 0);
        for path in files {
            match look(&path, mapping, &mut before, &mut state) {
                Ok(Some(input)) => {
                    bytes += input.looks.bytes;
                    inputs.push(input);
                }
                Ok(None) => {}
                Err(Failed::Usage(fault)) if faults.len() < MAX_TOLD => faults.push(fault),
                Err(other) => return Err(other),
            }
        }
        if !faults.is_empty() {
            return Err(Failed::Usage(faults.join("\n")));
        }
        Ok(Self { state_file, state, is_resumed, files: inputs, bytes })
    }
}

fn earlier(options: &Options, path: &Path) -> Result<Option<State>, Failed> {
    if options.from_start {
        return Ok(None);
    }
    State::load(path).map_err(|why| {
        Failed::Usage(format!("state file {}: {why}; --from-start begins anew", path.display()))
    })
}

/// What a state is good for: the same city, and all that says what a row means.
fn digest(options: &Options, catalogue: &Catalogue) -> Result<String, Failed> {
    let Options { grpc, history, precision, gateway, .. } = options;
    let mapping = options.mapping.as_ref().map(std::fs::read).transpose();
    let mapping = mapping.map_err(|error| Failed::Failure(error.into()))?;
    let catalogue = catalogue.hash();
    let all = format!("{grpc}\n{history}\n{precision}\n{gateway}\n{mapping:?}\n{catalogue:?}");
    let digest = Sha256::digest(all);
    Ok(digest.iter().take(16).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}

/// Looks at a file; `None` when it is wholly in.
fn look(
    path: &Path,
    mapping: &Mapping,
    before: &mut State,
    state: &mut State,
) -> Result<Option<Input>, Failed> {
    let name = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()).display().to_string();
    if state.files.contains_key(&name) {
        // Named twice, or reached by a link.
        return Ok(None);
    }
    let looks = looks(path)?;
    let known = before.files.remove(&name).unwrap_or_default();
    if known.is_whole && known.looks == looks {
        state.files.insert(name, known);
        return Ok(None);
    }
    let mut reader = Reader::open(path, mapping).map_err(usage)?;
    let is_same = known.mark == Mark::default() || reader.resume(known.mark).unwrap_or(false);
    let known = if is_same {
        Known { is_whole: false, looks, ..known }
    } else {
        eprintln!("{name} is not what it was: beginning it anew");
        Known { looks, ..Known::default() }
    };
    let from = known.mark;
    state.files.insert(name.clone(), known);
    Ok(Some(Input { path: path.to_owned(), name, looks, from }))
}

fn looks(path: &Path) -> Result<Looks, Failed> {
    let meta = std::fs::metadata(path);
    let meta = meta.map_err(|error| Failed::Usage(format!("{}: {error}", path.display())))?;
    let modified = meta.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    let modified_nanos = modified.and_then(|since| i64::try_from(since.as_nanos()).ok()).unwrap_or_default();
    Ok(Looks { bytes: meta.len(), modified_nanos })
}
