//! The limit of the record's size.

use super::{History, HistoryEntry, KEY, Part, text};

/// Below how many bytes key and value of the annotation stay. All annotations of an object share
/// 256 KiB, and an API server refuses a write that exceeds them (Kubernetes 1.33:
/// `TotalAnnotationSizeLimitB` in apimachinery `api/validation/objectmeta.go`).
pub const MAX_BYTES: usize = 32 * 1024;

impl History {
    /// Drops the oldest changes until the annotation is small enough. The newest stays: where it is
    /// too large by itself, its servers are left out.
    pub(super) fn fit(&mut self) {
        if let Some(newest) = self.entries.last_mut() {
            newest.fit();
        }
        let mut room = ROOM;
        let sizes = self.entries.iter().rev().map(|entry| size(entry) + COMMA);
        let fitting = sizes.take_while(|size| {
            let fits = *size <= room;
            room = room.saturating_sub(*size);
            fits
        });
        let kept = fitting.count().max(1);
        self.entries.drain(..self.entries.len().saturating_sub(kept));
    }
}

impl HistoryEntry {
    fn fit(&mut self) {
        if size(self) + COMMA <= ROOM {
            return;
        }
        let Some(whole) = &mut self.whole else { return };
        whole.parts.retain(|part| match part {
            Part::Service(_) => true,
            Part::Servers(of) => {
                self.servers_left_out += of.servers.len();
                false
            }
        });
    }
}

/// The bytes of a comma between two entries.
const COMMA: usize = 1;

/// The bytes that entries with a comma each may have: beside them are the key and two brackets, and the
/// last entry has no comma.
const ROOM: usize = MAX_BYTES - 1 - KEY.len() - 2 + COMMA;

/// The bytes of an entry.
fn size(entry: &HistoryEntry) -> usize {
    text::of(entry).len()
}
