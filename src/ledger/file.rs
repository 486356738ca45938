//! `--ledger FILE`: every exchange as a JSON line, written by a thread of its own.
//!
//! The request path hands entries over through a bounded queue; when the disk cannot keep up the queue fills and requests wait, since
//! a record with holes is worth little. The file is flushed whenever the queue runs empty, so `tail -f` sees what just happened. A
//! file that exists is overwritten: sequence numbers begin anew with each run.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::entry::Entry;

/// Why there is no ledger file, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file cannot be made.
    #[error("cannot write to {}, whose directory must exist and be writable", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Writing failed; the file ends before the run did.
    #[error("the ledger {} is incomplete", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The way to the writing thread.
#[derive(Debug)]
pub(super) struct LedgerFile {
    path: PathBuf,
    queue: SyncSender<Message>,
    writer: Mutex<Option<JoinHandle<io::Result<()>>>>,
}

#[derive(Debug)]
enum Message {
    Close,
    Write(Box<Entry>),
}

impl LedgerFile {
    /// Makes the file and starts its writer.
    pub(super) fn create(path: &Path) -> Result<Self, LedgerError> {
        let failed = |source| LedgerError::Create { path: path.to_owned(), source };
        if path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0) {
            tracing::warn!("{} is overwritten", path.display());
        }
        let file = File::create(path).map_err(failed)?;
        let (path, (queue, entries)) = (path.to_owned(), sync_channel(QUEUE));
        let told = path.clone();
        let writer = thread::Builder::new().name("ledger".to_owned()).spawn(move || {
            let written = write(&entries, BufWriter::with_capacity(BUFFER, file));
            if let Err(e) = &written {
                tracing::error!("the ledger {} ends here, requests go on: {e}", told.display());
                // Emptied until closed: a full queue would hold requests up.
                while matches!(entries.recv(), Ok(Message::Write(_))) {}
            }
            written
        });
        let writer = Mutex::new(Some(writer.map_err(|source| LedgerError::Create { path: path.clone(), source })?));
        Ok(Self { path, queue, writer })
    }

    /// Hands an entry over; waits while the queue is full. After [`Self::close`] entries are dropped.
    pub(super) fn write(&self, entry: Box<Entry>) {
        self.queue.send(Message::Write(entry)).unwrap_or_default();
    }

    /// Waits until everything handed over is in the file. The second call has nothing more to say.
    pub(super) fn close(&self) -> Result<(), LedgerError> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(writer) = writer else { return Ok(()) };
        self.queue.send(Message::Close).unwrap_or_default();
        let written = writer.join().unwrap_or_else(|_| Err(io::Error::other("its writer broke down")));
        written.map_err(|source| LedgerError::Write { path: self.path.clone(), source })
    }
}

impl Drop for LedgerFile {
    fn drop(&mut self) {
        if let Err(e) = self.close() {
            tracing::error!("{e}");
        }
    }
}

fn write(entries: &Receiver<Message>, mut file: impl Write) -> io::Result<()> {
    loop {
        let message = match entries.try_recv() {
            Ok(message) => message,
            Err(TryRecvError::Disconnected) => return file.flush(),
            Err(TryRecvError::Empty) => {
                file.flush()?;
                let Ok(message) = entries.recv() else { return Ok(()) };
                message
            }
        };
        let Message::Write(entry) = message else { return file.flush() };
        serde_json::to_writer(&mut file, &entry)?;
        file.write_all(b"\n")?;
    }
}

/// Entries that may wait to be written: about a megabyte.
const QUEUE: usize = 4096;
const BUFFER: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::ledger::Mode;

    fn entry(seq: u64) -> Box<Entry> {
        Box::new(Entry::open(seq, Timestamp::UNIX_EPOCH, Mode::Connect))
    }

    /// A disk that is full from the start.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn closing_leaves_every_entry_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.jsonl");
        let file = LedgerFile::create(&path).unwrap();
        let many = QUEUE as u64 * 2;
        (1..=many).for_each(|seq| file.write(entry(seq)));
        file.close().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let seqs: Vec<u64> = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64().unwrap())
            .collect();
        assert_eq!(seqs, (1..=many).collect::<Vec<_>>());
    }

    #[test]
    fn entries_reach_the_file_while_it_is_open() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.jsonl");
        let file = LedgerFile::create(&path).unwrap();
        file.write(entry(1));
        // Ends: the writer flushes as soon as its queue is empty.
        while std::fs::read_to_string(&path).unwrap().lines().count() < 1 {
            thread::yield_now();
        }
        file.close().unwrap();
    }

    #[test]
    fn a_run_overwrites_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.jsonl");
        std::fs::write(&path, "old\n").unwrap();
        let file = LedgerFile::create(&path).unwrap();
        file.close().unwrap();
        file.write(entry(1));
        file.close().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    }

    #[test]
    fn a_wrong_path_is_told_with_what_to_do() {
        let path = Path::new("/nowhere/to/be/found.jsonl");
        let told = LedgerFile::create(path).unwrap_err().to_string();
        assert!(told.contains("/nowhere/to/be/found.jsonl") && told.contains("directory must exist"), "{told}");
    }

    #[test]
    fn a_full_disk_is_an_error_of_close_and_stops_nobody() {
        let (queue, entries) = sync_channel(QUEUE);
        queue.send(Message::Write(entry(1))).unwrap();
        assert_eq!(write(&entries, Full).unwrap_err().kind(), io::ErrorKind::StorageFull);

        // A real device that is always full, where there is one.
        let device = Path::new("/dev/full");
        if device.exists() {
            let file = LedgerFile::create(device).unwrap();
            (1..=QUEUE as u64 * 3).for_each(|seq| file.write(entry(seq)));
            assert!(file.close().unwrap_err().to_string().contains("incomplete"));
        }
    }
}
