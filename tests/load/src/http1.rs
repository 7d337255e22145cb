//! As much of HTTP/1.1 as a client needs that asks one thing after the other.

use anyhow::{Context as _, Result, bail};

/// More than any answer here has.
const HEADERS: usize = 64;

/// Where an answer ends, and what its head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub status: u16,
    /// Bytes before the body.
    pub body_at: usize,
    /// Bytes of the body.
    pub length: usize,
    /// Whether the server ends the connection after this answer.
    pub close: bool,
}

impl Head {
    /// Reads the head at the beginning of what has arrived; nothing if more must arrive first.
    pub fn read(arrived: &[u8]) -> Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut answer = httparse::Response::new(&mut headers);
        let parsed = answer.parse(arrived).context("the answer is not HTTP/1.1")?;
        let httparse::Status::Complete(body_at) = parsed else { return Ok(None) };
        let status = answer.code.context("the answer has no status")?;
        let (mut length, mut close) = (None, false);
        for header in answer.headers.iter() {
            let value = || str::from_utf8(header.value).unwrap_or_default().trim();
            if header.name.eq_ignore_ascii_case("content-length") {
                let text = value();
                length = Some(text.parse().with_context(|| format!("Content-Length: {text}"))?);
            } else if header.name.eq_ignore_ascii_case("connection") {
                close = value().eq_ignore_ascii_case("close");
            } else if header.name.eq_ignore_ascii_case("content-encoding") {
                bail!("the answer is in Content-Encoding {}, which is not read here", value());
            }
        }
        let length = length.context("the answer has no Content-Length")?;
        Ok(Some(Self { status, body_at, length, close }))
    }

    /// Bytes of the whole answer.
    pub fn end(&self) -> usize {
        self.body_at.saturating_add(self.length)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::Head;

    #[test]
    fn a_head_says_where_the_answer_ends() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nConnection: close\r\n\r\nhello";
        let head = Head::read(answer).expect("HTTP").expect("complete");
        assert_eq!(head, Head { status: 200, body_at: 57, length: 5, close: true });
        assert_eq!(head.end(), answer.len());
        for cut in 0..head.body_at {
            assert_eq!(Head::read(&answer[..cut]).expect("HTTP"), None, "at {cut}");
        }
    }

    #[rstest]
    #[case("SSH-2.0-OpenSSH\r\n", "the answer is not HTTP/1.1")]
    #[case("HTTP/1.1 200 OK\r\n\r\n", "the answer has no Content-Length")]
    #[case("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "Content-Length: -1")]
    #[case(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
        "the answer is in Content-Encoding gzip, which is not read here"
    )]
    fn what_is_no_answer_is_an_error(#[case] arrived: &str, #[case] expected: &str) {
        let error = Head::read(arrived.as_bytes()).expect_err("no answer");
        assert_eq!(error.to_string(), expected);
    }
}
