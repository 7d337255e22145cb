use std::io::{self, Cursor, Read};

use flate2::read::MultiGzDecoder;

/// The text of an input that may be gzip'd, which its first two bytes tell.
pub(crate) fn decompressed<'r>(mut input: impl Read + 'r) -> io::Result<Box<dyn Read + 'r>> {
    let mut start = Vec::new();
    (&mut input).take(2).read_to_end(&mut start)?;
    let is_gzip = start == [0x1f, 0x8b];
    let whole = Cursor::new(start).chain(input);
    Ok(if is_gzip { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) })
}
