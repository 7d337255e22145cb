//! The words of a script, as a POSIX shell splits it.

use std::{iter::Peekable, str::Chars};

/// A word. Its text is known unless the shell puts something in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    text: String,
    is_known: bool,
}

impl Word {
    /// A word that no shell has read.
    pub fn literal(text: &str) -> Self {
        Self { text: text.to_owned(), is_known: true }
    }

    /// The word's text; `None` where the shell puts something in.
    pub fn text(&self) -> Option<&str> {
        self.is_known.then_some(self.text.as_str())
    }
}

/// What stands between two commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Separator {
    /// `;` or the end of a line.
    Next,
    /// `&`.
    Background,
    /// `&&`.
    And,
    /// `||`.
    Or,
    /// `|`.
    Pipe,
}

/// A part of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A word of a command.
    Word(Word),
    /// The end of a command.
    Separator(Separator),
    /// Something that is not read; the last token.
    Unread,
}

/// The script's tokens. Redirections are left out.
pub(super) fn words_of(script: &str) -> Vec<Token> {
    let mut splitter = Splitter {
        letters: script.chars().peekable(),
        tokens: Vec::new(),
        word: None,
        is_target: false,
    };
    if splitter.read().is_none() {
        splitter.tokens.push(Token::Unread);
    }
    splitter.tokens
}

struct Splitter<'s> {
    letters: Peekable<Chars<'s>>,
    tokens: Vec<Token>,
    word: Option<Word>,
    /// Whether the next word is the file of a redirection.
    is_target: bool,
}

impl Splitter<'_> {
    /// Reads on to the end; `None` where something comes that is not read.
    fn read(&mut self) -> Option<()> {
        while let Some(letter) = self.letters.next() {
            match letter {
                ' ' | '\t' => self.end_word(),
                '\n' => self.end_line(),
                ';' => self.separate(Separator::Next),
                '&' if self.takes('&') => self.separate(Separator::And),
                '&' if self.letters.peek() == Some(&'>') => self.end_word(),
                '&' => self.separate(Separator::Background),
                '|' if self.takes('|') => self.separate(Separator::Or),
                '|' => self.separate(Separator::Pipe),
                '<' | '>' => self.redirect(letter)?,
                '(' | ')' => return None,
                '#' if self.word.is_none() => {
                    while self.letters.next_if(|letter| *letter != '\n').is_some() {}
                }
                '\'' => self.single_quoted()?,
                '"' => self.double_quoted()?,
                '\\' => match self.letters.next()? {
                    '\n' => {}
                    letter => self.word().text.push(letter),
                },
                '$' => self.expansion()?,
                '`' => self.back_quoted()?,
                letter => self.word().text.push(letter),
            }
        }
        self.end_word();
        Some(())
    }

    fn word(&mut self) -> &mut Word {
        self.word.get_or_insert_with(|| Word::literal(""))
    }

    fn takes(&mut self, letter: char) -> bool {
        self.letters.next_if_eq(&letter).is_some()
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        if !std::mem::take(&mut self.is_target) {
            self.tokens.push(Token::Word(word));
        }
    }

    fn separate(&mut self, separator: Separator) {
        self.end_word();
        self.is_target = false;
        self.tokens.push(Token::Separator(separator));
    }

    /// Ends a line, which goes on where it ends in `&&`, `||` or `|`.
    fn end_line(&mut self) {
        use Separator::{And, Or, Pipe};
        self.end_word();
        if !matches!(self.tokens.last(), Some(Token::Separator(And | Or | Pipe))) {
            self.separate(Separator::Next);
        }
    }

    /// A redirection, up to its file. A number before it belongs to it.
    fn redirect(&mut self, sign: char) -> Option<()> {
        let is_number = |word: &Word| word.text.chars().all(|letter| letter.is_ascii_digit());
        if self.word.as_ref().is_some_and(is_number) {
            self.word = None;
        }
        self.end_word();
        if sign == '<' && self.letters.peek() == Some(&'<') {
            return None;
        }
        while self.letters.next_if(|letter| matches!(letter, '>' | '&' | '|')).is_some() {}
        self.is_target = true;
        Some(())
    }

    fn single_quoted(&mut self) -> Option<()> {
        loop {
            match self.letters.next()? {
                '\'' => {
                    self.word();
                    return Some(());
                }
                letter => self.word().text.push(letter),
            }
        }
    }

    fn double_quoted(&mut self) -> Option<()> {
        self.word();
        loop {
            match self.letters.next()? {
                '"' => return Some(()),
                '\\' => match self.letters.next()? {
                    '\n' => {}
                    letter @ ('"' | '\\' | '$' | '`') => self.word().text.push(letter),
                    letter => self.word().text.extend(['\\', letter]),
                },
                '$' => self.expansion()?,
                '`' => self.back_quoted()?,
                letter => self.word().text.push(letter),
            }
        }
    }

    /// What the shell puts in for `$`.
    fn expansion(&mut self) -> Option<()> {
        self.word().is_known = false;
        let (open, close) = match self.letters.peek() {
            Some('(') => ('(', ')'),
            Some('{') => ('{', '}'),
            _ => return Some(()),
        };
        let mut depth = 0_usize;
        loop {
            let letter = self.letters.next()?;
            if letter == open {
                depth += 1;
            } else if letter == close {
                depth -= 1;
            }
            if depth == 0 {
                return Some(());
            }
        }
    }

    fn back_quoted(&mut self) -> Option<()> {
        self.word().is_known = false;
        while self.letters.next()? != '`' {}
        Some(())
    }
}
