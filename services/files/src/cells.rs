//! The cells of a row of CSV.
//!
//! Most rows have no quotes: those are cut at their delimiters; others go through the library. Both are the same for a row
//! without quotes, which a property test shows. White space around a cell is not part of it.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};
use memchr::memchr_iter;

/// Takes rows apart; what it made of the last one stays until the next.
pub(crate) struct Cells {
    reader: Reader,
    delimiter: u8,
    /// The content of a row with quotes.
    text: Vec<u8>,
    ends: Vec<usize>,
    /// Begin and end of each cell, in the row or in `text`.
    places: Vec<(u32, u32)>,
    /// Whether the places are in `text`.
    is_quoted: bool,
}

impl Cells {
    pub(crate) fn new(delimiter: u8) -> Self {
        let reader = ReaderBuilder::new().delimiter(delimiter).terminator(Terminator::Any(b'\n')).build();
        Self { reader, delimiter, text: Vec::new(), ends: Vec::new(), places: Vec::new(), is_quoted: false }
    }

    /// Cuts a row without quotes.
    pub(crate) fn cut(&mut self, row: &[u8]) {
        self.is_quoted = false;
        self.places.clear();
        let mut begin = 0;
        for end in memchr_iter(self.delimiter, row).chain([row.len()]) {
            self.places.push(trimmed(row, begin, end));
            begin = end + 1;
        }
    }

    /// Reads a row with quotes; false when a quote is open at its end.
    pub(crate) fn unquote(&mut self, row: &[u8]) -> bool {
        self.is_quoted = true;
        self.reader.reset();
        // A cell is never longer than what stands for it, nor are there more than bytes and one.
        self.text.resize(row.len() + 1, 0);
        self.ends.resize(row.len() + 2, 0);
        let (result, _, _, ends) = self.reader.read_record(row, &mut self.text, &mut self.ends);
        if result != ReadRecordResult::Record {
            return false;
        }
        self.places.clear();
        let mut begin = 0;
        for end in &self.ends[..ends] {
            self.places.push(trimmed(&self.text, begin, *end));
            begin = *end;
        }
        true
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// A cell of the row that was last taken apart; empty where there is none.
    pub(crate) fn get<'a>(&'a self, row: &'a [u8], at: usize) -> &'a [u8] {
        let (begin, end) = self.places.get(at).copied().unwrap_or_default();
        let text = if self.is_quoted { &self.text } else { row };
        &text[begin as usize..end as usize]
    }
}

fn trimmed(text: &[u8], begin: usize, end: usize) -> (u32, u32) {
    let (mut begin, mut end) = (begin, end);
    while begin < end && text[begin].is_ascii_whitespace() {
        begin += 1;
    }
    while begin < end && text[end - 1].is_ascii_whitespace() {
        end -= 1;
    }
    // A row has at most 1 MiB.
    (begin as u32, end as u32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(cells: &Cells, row: &[u8]) -> Vec<Vec<u8>> {
        (0..cells.len()).map(|at| cells.get(row, at).to_vec()).collect()
    }

    fn library(row: &[u8]) -> Option<Vec<Vec<u8>>> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).trim(csv::Trim::All).from_reader(row);
        let record = reader.byte_records().next()?.unwrap();
        Some(record.iter().map(<[u8]>::to_vec).collect())
    }

    proptest! {
        #[test]
        fn a_row_without_quotes_is_cut_as_the_library_reads_it(row in "[a-z0-9, ;.\t-]{1,40}") {
            let mut cells = Cells::new(b',');
            cells.cut(row.as_bytes());
            prop_assert_eq!(Some(of(&cells, row.as_bytes())), library(row.as_bytes()));
        }

        #[test]
        fn a_row_with_quotes_is_what_the_library_reads(row in "[a-c\", ]{1,40}") {
            let mut cells = Cells::new(b',');
            let whole = format!("{row}\n");
            if cells.unquote(whole.as_bytes()) {
                prop_assert_eq!(Some(of(&cells, whole.as_bytes())), library(whole.as_bytes()));
            }
        }
    }
}
