//! A file, row by row.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;
use memchr::memchr;
use yiwang_proto::v1::Reason;

use crate::Error;
use crate::cells::Cells;
use crate::find::{self, format_of};
use crate::gather::{Gather, Why};
use crate::lines::{Found, Lines, MAX_LINE_BYTES, Mark};
use crate::mapping::Mapping;
use crate::row::{Row, Rows};
use crate::{influx, json};

/// The longest row of CSV that goes over several lines, in bytes.
const MAX_QUOTED_BYTES: usize = 64 << 10;
/// And in lines.
const MAX_QUOTED_LINES: u64 = 100;
/// The most rows that are read at a time, whatever is in them.
const MAX_ROWS: u64 = 100_000;
/// The most faults that are gathered at a time.
const MAX_FAULTS: usize = 1000;

/// Reads a file.
pub struct Reader<'m> {
    path: PathBuf,
    mapping: &'m Mapping,
    rows: Rows<'m>,
    lines: Lines,
    kind: Kind,
    taken: Arc<AtomicU64>,
}

enum Kind {
    Csv { cells: Box<Cells>, places: Vec<Option<usize>>, columns: usize },
    Json,
    Influx,
}

/// A row of CSV, by the places of its columns.
struct Placed<'a> {
    cells: &'a Cells,
    row: &'a [u8],
    places: &'a [Option<usize>],
}

impl Row for Placed<'_> {
    fn cell(&self, column: usize) -> Option<&[u8]> {
        self.places.get(column).copied().flatten().map(|at| self.cells.get(self.row, at))
    }
}

impl<'m> Reader<'m> {
    /// Opens a file at its beginning and reads its header.
    ///
    /// # Errors
    /// What cannot be read; columns that the mapping names and the header lacks.
    pub fn open(path: &Path, mapping: &'m Mapping) -> Result<Self, Error> {
        let format = format_of(path).ok_or_else(|| Error::Format { file: path.display().to_string() })?;
        let wrong = |source| Error::Read { file: path.display().to_string(), source };
        let file = File::open(path).map_err(wrong)?;
        if file.metadata().map_err(wrong)?.is_dir() {
            return Err(wrong(io::ErrorKind::IsADirectory.into()));
        }
        let taken = Arc::new(AtomicU64::new(0));
        let file = Counted { from: file, taken: Arc::clone(&taken) };
        let from: Box<dyn Read + Send> = if format.is_packed {
            Box::new(MultiGzDecoder::new(BufReader::with_capacity(1 << 16, file)))
        } else {
            Box::new(file)
        };
        let kind = match format.kind {
            find::Kind::Csv(usual) => Kind::Csv {
                cells: Box::new(Cells::new(mapping.delimiter.unwrap_or(usual))),
                places: Vec::new(),
                columns: 0,
            },
            find::Kind::Json => Kind::Json,
            find::Kind::Influx => Kind::Influx,
        };
        let (path, rows, lines) = (path.to_owned(), Rows::new(mapping), Lines::new(from, Mark::default()));
        let mut reader = Self { path, mapping, rows, lines, kind, taken };
        reader.begin()?;
        Ok(reader)
    }

    /// How far it was read.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.lines.mark()
    }

    /// Counts the bytes of the file that were read, as they are on disk.
    #[must_use]
    pub fn taken(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.taken)
    }

    /// Goes on behind a mark of an earlier reading; false when what stands before it is not what stood there then. It is then
    /// at no good place, and the file is to be opened again.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn resume(&mut self, mark: Mark) -> Result<bool, Error> {
        while self.mark().bytes < mark.bytes {
            let at = self.mark().bytes;
            skip_line(&mut self.lines).map_err(|source| self.wrong(source))?;
            if self.mark().bytes == at {
                return Ok(false);
            }
        }
        Ok(self.mark() == mark)
    }

    /// Reads until there are so many readings, or many faults or rows, or the end; false at the end.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn read(&mut self, readings: usize, into: &mut Gather) -> Result<bool, Error> {
        let before = into.rows;
        while into.items.len() < readings && into.faults.len() < MAX_FAULTS && into.rows - before < MAX_ROWS {
            match self.next(into) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(source) => return Err(self.wrong(source)),
            }
        }
        Ok(true)
    }

    fn wrong(&self, source: io::Error) -> Error {
        Error::Read { file: self.path.display().to_string(), source }
    }

    fn next(&mut self, into: &mut Gather) -> io::Result<bool> {
        let line = self.lines.mark().lines + 1;
        let (length, all) = match self.lines.find(0)? {
            Found::Line(length, all) => (length, all),
            Found::Over => return Ok(false),
            Found::TooLong => {
                into.rows += 1;
                let why = format!("the line is longer than {MAX_LINE_BYTES} bytes");
                into.fault(line, "", self.lines.bytes(200), Why(Reason::Malformed, why));
                self.lines.pass_over()?;
                return Ok(true);
            }
        };
        let text = self.lines.bytes(length);
        if text.iter().all(u8::is_ascii_whitespace) {
            self.lines.consume(all, 1);
            return Ok(true);
        }
        into.rows += 1;
        match &mut self.kind {
            Kind::Json => json::take(self.mapping, &mut self.rows, line, without_bom(text, line), into),
            Kind::Influx => influx::take(self.mapping.precision, line, without_bom(text, line), into),
            Kind::Csv { .. } => return self.csv(line, length, all, into),
        }
        self.lines.consume(all, 1);
        Ok(true)
    }

    fn csv(&mut self, line: u64, length: usize, all: usize, into: &mut Gather) -> io::Result<bool> {
        let Kind::Csv { cells, places, columns } = &mut self.kind else { return Ok(false) };
        let (length, all, lines) = if memchr(b'"', self.lines.bytes(length)).is_some() {
            match quoted(cells, &mut self.lines, length, all)? {
                Some(whole) => whole,
                None => {
                    let why = format!(
                        "a quote is open, and not closed within {MAX_QUOTED_BYTES} bytes and {MAX_QUOTED_LINES} lines"
                    );
                    into.fault(line, "", self.lines.bytes(length), Why(Reason::Malformed, why));
                    self.lines.consume(all, 1);
                    return Ok(true);
                }
            }
        } else {
            cells.cut(self.lines.bytes(length));
            (length, all, 1)
        };
        let row = self.lines.bytes(length);
        if cells.len() == *columns {
            self.rows.take(line, &Placed { cells, row, places }, into);
        } else {
            let why = format!("{} cells under {columns} columns", cells.len());
            into.fault(line, "", row, Why(Reason::Malformed, why));
        }
        self.lines.consume(all, lines);
        Ok(true)
    }

    /// Reads the header of CSV.
    fn begin(&mut self) -> Result<(), Error> {
        let Kind::Csv { cells, .. } = &mut self.kind else { return Ok(()) };
        let file = self.path.display().to_string();
        let found = self.lines.find(0).map_err(|source| Error::Read { file: file.clone(), source })?;
        let (length, all) = match found {
            Found::Line(length, all) => (length, all),
            Found::Over => {
                return Err(Error::Header { file, why: "the file is empty; a header is wanted".into() });
            }
            Found::TooLong => {
                return Err(Error::Header { file, why: format!("it is longer than {MAX_LINE_BYTES} bytes") });
            }
        };
        let header = without_bom(self.lines.bytes(length), 1).to_vec();
        if memchr(b'"', &header).is_none() {
            cells.cut(&header);
        } else if !cells.unquote(&[&header, &b"\n"[..]].concat()) {
            return Err(Error::Header { file, why: "a quote is open at its end".into() });
        }
        let names = (0..cells.len()).map(|at| std::str::from_utf8(cells.get(&header, at)));
        let names: Result<Vec<&str>, _> = names.collect();
        let names =
            names.map_err(|_| Error::Header { file: file.clone(), why: "it is no text (UTF-8)".into() })?;
        let found = self.mapping.places(&names).map_err(|why| Error::Header { file, why })?;
        let count = names.len();
        self.lines.consume(all, 1);
        if let Kind::Csv { places, columns, .. } = &mut self.kind {
            (*places, *columns) = (found, count);
        }
        Ok(())
    }
}

/// Takes a row with quotes apart: its length, with its end, and its lines. `None` when a quote stays open.
fn quoted(
    cells: &mut Cells,
    lines: &mut Lines,
    length: usize,
    all: usize,
) -> io::Result<Option<(usize, usize, u64)>> {
    let (mut length, mut all, mut count) = (length, all, 1);
    loop {
        let is_whole = if all > length {
            cells.unquote(lines.bytes(all))
        } else {
            // The last line of a file may lack its end.
            cells.unquote(&[lines.bytes(length), b"\n"].concat())
        };
        if is_whole {
            return Ok(Some((length, all, count)));
        }
        // Each further line takes the row apart from its beginning again.
        if all > MAX_QUOTED_BYTES || count >= MAX_QUOTED_LINES {
            return Ok(None);
        }
        let Found::Line(further, further_all) = lines.find(all)? else { return Ok(None) };
        (length, all) = (further, further_all);
        count += 1;
    }
}

fn skip_line(lines: &mut Lines) -> io::Result<()> {
    match lines.find(0)? {
        Found::Line(_, all) => lines.consume(all, 1),
        Found::TooLong => lines.pass_over()?,
        Found::Over => {}
    }
    Ok(())
}

fn without_bom(text: &[u8], line: u64) -> &[u8] {
    let bare = (line == 1).then(|| text.strip_prefix("\u{feff}".as_bytes())).flatten();
    bare.unwrap_or(text)
}

/// Counts what is read.
struct Counted {
    from: File,
    taken: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(into)?;
        self.taken.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
