//! The files of a catalogue and the one text that they become.
//!
//! The canonical text is what goes into the log. It is the files in the order of their names, and behind them what was
//! registered ([`FILE`]), each behind a line `#: file NAME`. [`split`] takes such a text apart again, so that the text of a catalogue parses to the
//! same catalogue and its faults are told by the lines of the files that people edit.

use std::path::Path;

use crate::fault::{Fault, quoted};
use crate::registry::FILE;

/// The most bytes that all files of a catalogue may have together: a catalogue is one record of the log.
pub const MAX_BYTES: usize = 8 << 20;
/// The most files that a catalogue may have.
pub const MAX_FILES: usize = 256;
/// The longest name of a file, in bytes.
const MAX_FILE_NAME_BYTES: usize = 255;

/// What begins the line before each file.
pub(crate) const MARK: &str = "#: file ";

/// One file: its name, its text, and where its lines begin.
#[derive(Debug)]
pub(crate) struct Source {
    /// The name, without a folder.
    pub(crate) name: String,
    /// The text, ending in a line feed.
    pub(crate) text: String,
    starts: Vec<usize>,
}

impl Source {
    fn new(name: &str, text: &str) -> Self {
        let mut text = text.replace("\r\n", "\n");
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        let starts = text.match_indices('\n').map(|(at, _)| at + 1);
        let starts = std::iter::once(0).chain(starts).collect();
        Self { name: name.to_owned(), text, starts }
    }

    /// The line of a byte, from 1.
    pub(crate) fn line(&self, byte: usize) -> usize {
        self.starts.partition_point(|start| *start <= byte).max(1)
    }
}

/// The files, taken apart at their marks and sorted by name, what was registered last.
///
/// # Errors
/// Faults for too many bytes or files, and for names that are bad or given twice.
pub(crate) fn split(files: &[(&str, &str)]) -> Result<Vec<Source>, Vec<Fault>> {
    check_size(files)?;
    let mut parts: Vec<Source> = files.iter().flat_map(|(name, text)| split_one(name, text)).collect();
    parts.sort_by(|a, b| (a.name == FILE, &a.name).cmp(&(b.name == FILE, &b.name)));
    let faults = name_faults(&parts);
    if faults.is_empty() { Ok(parts) } else { Err(faults) }
}

/// The one text that stands for these files.
pub(crate) fn join(parts: &[Source]) -> String {
    parts.iter().map(|part| format!("{MARK}{}\n{}", part.name, part.text)).collect()
}

/// A text taken apart at its marks; `name` is that of what stands before the first.
pub(crate) fn split_one(name: &str, text: &str) -> Vec<Source> {
    let mut parts: Vec<(&str, String)> = vec![(name, String::new())];
    for line in text.split_inclusive('\n') {
        match (line.strip_prefix(MARK), parts.last_mut()) {
            (Some(named), _) => parts.push((named.trim(), String::new())),
            (None, Some((_, part))) => part.push_str(line),
            (None, None) => {}
        }
    }
    let first_is_empty = parts.len() > 1 && parts[0].1.is_empty();
    parts.iter().skip(usize::from(first_is_empty)).map(|(name, text)| Source::new(name, text)).collect()
}

fn check_size(files: &[(&str, &str)]) -> Result<(), Vec<Fault>> {
    let bytes: usize = files.iter().map(|(_, text)| text.len()).sum();
    if bytes <= MAX_BYTES && files.len() <= MAX_FILES {
        return Ok(());
    }
    Err(vec![whole(
        files.first().map_or("", |(name, _)| name),
        "catalogue",
        format!("{} files of {bytes} bytes together", files.len()),
        format!("at most {MAX_FILES} files of {MAX_BYTES} bytes together"),
    )])
}

fn name_faults(parts: &[Source]) -> Vec<Fault> {
    let bad = |part: &Source| {
        let name = &part.name;
        name.is_empty()
            || name.len() > MAX_FILE_NAME_BYTES
            || name.trim() != name
            || name.contains(char::is_control)
    };
    let mut faults: Vec<Fault> = parts
        .iter()
        .filter(|part| bad(part))
        .map(|part| {
            whole(&part.name, "file name", quoted(&part.name), "a name of 1 to 255 bytes on one line".into())
        })
        .collect();
    faults.extend(parts.windows(2).filter(|pair| pair[0].name == pair[1].name).map(|pair| {
        whole(
            &pair[1].name,
            "file name",
            "the same name twice".into(),
            "a name of its own for each file".into(),
        )
    }));
    if parts.len() > MAX_FILES {
        faults.push(whole(
            "",
            "catalogue",
            format!("{} files", parts.len()),
            format!("at most {MAX_FILES} files"),
        ));
    }
    faults
}

/// The files of a path: the file itself, or the `*.toml` of a folder.
///
/// # Errors
/// A fault for each file that cannot be read, is no UTF-8 or is too big.
pub(crate) fn read(path: &Path) -> Result<Vec<(String, String)>, Vec<Fault>> {
    let shown = path.display().to_string();
    if !path.is_dir() {
        return Ok(vec![read_one(path).map_err(|fault| vec![fault])?]);
    }
    let listed = std::fs::read_dir(path).and_then(|entries| {
        entries.take(100_000).map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()
    });
    let mut paths = listed.map_err(|error| vec![unread(&shown, &error)])?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
    paths.sort();
    if paths.is_empty() || paths.len() > MAX_FILES {
        let found = format!("{} files *.toml", paths.len());
        return Err(vec![whole(&shown, "catalogue", found, format!("1 to {MAX_FILES} of them"))]);
    }
    let (read, faults): (Vec<_>, Vec<_>) = paths.iter().map(|path| read_one(path)).partition(Result::is_ok);
    let faults: Vec<Fault> = faults.into_iter().filter_map(Result::err).collect();
    if faults.is_empty() { Ok(read.into_iter().flatten().collect()) } else { Err(faults) }
}

fn read_one(path: &Path) -> Result<(String, String), Fault> {
    use std::io::Read as _;
    let shown = path.display().to_string();
    let mut text = String::new();
    let most = u64::try_from(MAX_BYTES + 1).unwrap_or(u64::MAX);
    std::fs::File::open(path)
        .and_then(|file| file.take(most).read_to_string(&mut text))
        .map_err(|error| unread(&shown, &error))?;
    if text.len() > MAX_BYTES {
        let found = format!("more than {MAX_BYTES} bytes");
        return Err(whole(
            &shown,
            "catalogue",
            found,
            format!("at most {MAX_BYTES} bytes in all files together"),
        ));
    }
    let name = path.file_name().map_or(shown.clone(), |name| name.to_string_lossy().into_owned());
    Ok((name, text))
}

fn unread(file: &str, error: &std::io::Error) -> Fault {
    whole(file, "catalogue", format!("that it cannot be read ({error})"), "a readable file in UTF-8".into())
}

fn whole(file: &str, key: &str, found: String, wanted: String) -> Fault {
    Fault { file: file.to_owned(), line: 0, key: key.to_owned(), found, wanted }
}
