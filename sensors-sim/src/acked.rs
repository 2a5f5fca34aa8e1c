//! The file of acknowledgements: a witness that stands outside the city.
//!
//! A line is written when an acknowledgement has arrived and at no other time:
//!
//! `source,metric,time,value` or `source,metric,time,value,vintage`
//!
//! without a header. `time` and `vintage` are nanoseconds since 1970-01-01T00:00:00Z; the vintage stands only with figures
//! that have one; `value` is the shortest decimal that reads back as the same number, in the unit that was sent. Names
//! have neither commas nor quotes. Refused readings are left out; of a gRPC reply that refused more than it names, the
//! whole is left out; MQTT 3.1.1 does not tell what it refused.
//!
//! Lines go through a buffer that is written at least every 100 ms while [`AckedFile::keep_flushed`] runs, and by
//! [`AckedFile::flush`]. Killed, a process loses lines, and perhaps the end of the last one, but adds none.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;

use crate::door::Acked;

/// How often the buffer is written.
const FLUSH_EVERY: Duration = Duration::from_millis(100);

/// A file that acknowledgements are appended to; all clones are the same file.
#[derive(Clone, Debug)]
pub struct AckedFile(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    out: BufWriter<File>,
    /// The first error of writing; nothing is written after it.
    failed: Option<std::io::Error>,
}

impl AckedFile {
    /// Opens the file to append to it.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn append(path: &Path) -> anyhow::Result<Self> {
        let file = File::options().create(true).append(true).open(path);
        let file = file.with_context(|| format!("file of acknowledgements {}", path.display()))?;
        Ok(Self(Arc::new(Mutex::new(Inner { out: BufWriter::with_capacity(1 << 16, file), failed: None }))))
    }

    /// Writes what was acknowledged and not refused. An error is kept and told by [`AckedFile::flush`].
    pub fn write(&self, acked: &Acked<'_>) {
        let mut inner = self.lock();
        if inner.failed.is_none() && !acked.unsure {
            inner.failed = write_lines(&mut inner.out, acked).err();
        }
    }

    /// Writes the buffer.
    ///
    /// # Errors
    /// The first error that there was since the file was opened.
    pub fn flush(&self) -> anyhow::Result<()> {
        let mut inner = self.lock();
        match inner.failed.take() {
            Some(error) => Err(error).context("file of acknowledgements"),
            None => inner.out.flush().context("file of acknowledgements"),
        }
    }

    /// Writes the buffer every 100 ms, for ever; drop it to end it.
    pub async fn keep_flushed(self) {
        let mut tick = tokio::time::interval(FLUSH_EVERY);
        loop {
            tick.tick().await;
            let mut inner = self.lock();
            if inner.failed.is_none() {
                inner.failed = inner.out.flush().err();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_lines(out: &mut impl Write, acked: &Acked<'_>) -> std::io::Result<()> {
    let refused: BTreeSet<u32> = acked.refused.iter().map(|refused| refused.index).collect();
    for (index, item) in (0u32..).zip(acked.batch.items()) {
        if refused.contains(&index) {
            continue;
        }
        write!(out, "{},{},{},{}", item.key.source, item.key.metric, item.time, item.value)?;
        match item.vintage {
            Some(vintage) => writeln!(out, ",{vintage}")?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}
