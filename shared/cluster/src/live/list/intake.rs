//! The body of an answer on its way into a [`ListReader`].

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;

use super::{
    ListItems,
    reader::{ListMeta, ListReader, SeeObject},
};
use crate::parse::LoadError;

/// The first two bytes of everything that is gzip'd.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Takes a body piece by piece, compressed or not, and holds no more of it than is needed to go on.
pub(super) enum Intake {
    /// Less than two bytes are there.
    Start(Vec<u8>, ListReader),
    Plain(ListReader),
    Gzip(Box<MultiGzDecoder<ListReader>>),
}

impl Intake {
    /// Nothing has arrived yet.
    pub fn new(see: SeeObject) -> Self {
        Self::Start(Vec::new(), ListReader::new(see))
    }

    /// Reads on.
    #[must_use]
    pub fn feed(self, piece: impl AsRef<[u8]>) -> Self {
        let piece = piece.as_ref();
        match self {
            Self::Start(mut start, reader) => {
                start.extend_from_slice(piece);
                match start.get(..GZIP.len()) {
                    None => Self::Start(start, reader),
                    Some(magic) if magic == GZIP => {
                        Self::Gzip(Box::new(MultiGzDecoder::new(reader))).feed(start)
                    }
                    Some(_) => Self::Plain(reader).feed(start),
                }
            }
            Self::Plain(mut reader) => {
                reader.feed(piece);
                Self::Plain(reader)
            }
            Self::Gzip(mut decoder) => {
                if let Err(error) = decoder.write_all(piece) {
                    decoder.get_mut().fail(unreadable(error));
                }
                Self::Gzip(decoder)
            }
        }
    }

    /// The List, as far as it was there.
    pub fn finish(self) -> (ListItems, ListMeta) {
        match self {
            Self::Start(start, mut reader) => {
                reader.feed(&start);
                reader.finish()
            }
            Self::Plain(reader) => reader.finish(),
            Self::Gzip(mut decoder) => {
                if let Err(error) = decoder.try_finish() {
                    decoder.get_mut().fail(unreadable(error));
                }
                decoder.get_mut().take_out().finish()
            }
        }
    }
}

fn unreadable(error: io::Error) -> LoadError {
    LoadError::Read(error)
}
