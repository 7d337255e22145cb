use std::{io::Read, path::Path, sync::Arc};

use clbmigrate_core::{
    object::Place,
    snapshot::{Cluster, Inserted},
};

use super::{Options, answer, format::Format, yaml};
use crate::{
    Loaded,
    loaded::Reading,
    parse::{Event, Fault, Kind, ObjectReader, Piece, Reader, Text, describe},
};

/// How many problems of one file are told one by one.
const PROBLEMS: usize = 100;

/// A file, and where what it holds belongs.
#[derive(Clone, Copy)]
pub(super) struct Target<'l> {
    /// The file as the user named it.
    pub path: &'l Path,
    /// The cluster, by its place in the world.
    pub cluster: usize,
    /// Whether the CLB API's answers in it are still to be taken.
    pub with_answers: bool,
}

/// Reads one file into one cluster.
pub(super) struct FileLoader<'l> {
    options: &'l Options,
    loaded: &'l mut Loaded,
    target: Target<'l>,
    name: Arc<str>,
    clb: Option<String>,
    is_filled: bool,
    problems: usize,
    /// Of the List at hand: whether it holds nodes, and whether one of them could not be read.
    has_nodes: bool,
    lacks_nodes: bool,
}

impl<'l> FileLoader<'l> {
    /// A loader of one file.
    pub fn new(options: &'l Options, loaded: &'l mut Loaded, target: Target<'l>) -> Self {
        Self {
            options,
            loaded,
            name: target.path.display().to_string().into(),
            clb: answer::clb_of_name(target.path),
            target,
            is_filled: false,
            problems: 0,
            has_nodes: false,
            lacks_nodes: false,
        }
    }

    /// Reads the file and says whether it held anything for its cluster.
    pub fn load(mut self, text: Text<impl Read>) -> bool {
        if let Err(fault) = self.read(text) {
            self.problem(None, &fault);
        }
        if let Some(more) = self.problems.checked_sub(PROBLEMS).filter(|more| *more > 0) {
            self.loaded.tell(self.target.path.display(), None, &Fault::More(more));
        }
        self.is_filled
    }

    fn problem(&mut self, line: Option<u32>, fault: &Fault) {
        self.problems += 1;
        if self.problems <= PROBLEMS {
            self.loaded.tell(self.target.path.display(), fault.line().or(line), fault);
        }
    }

    fn read(&mut self, mut text: Text<impl Read>) -> Result<(), Fault> {
        let Options { yaml_limit, object_limit, .. } = *self.options;
        text.limit(yaml_limit.min(object_limit));
        let first = text.sniff()?.ok_or(Fault::Empty)?;
        match Format::of_name(self.target.path).unwrap_or_else(|| Format::of_start(first)) {
            Format::Json => {
                text.limit(object_limit);
                self.json(text);
            }
            Format::Yaml => {
                text.limit(yaml_limit);
                self.yaml(text.read_all().map_err(|fault| match fault {
                    Fault::ObjectTooLarge(limit) => Fault::YamlTooLarge(limit),
                    fault => fault,
                })?)?;
            }
        }
        Ok(())
    }

    fn yaml(&mut self, text: &str) -> Result<(), Fault> {
        let mut documents = yaml::documents(text).peekable();
        documents.peek().ok_or(Fault::OnlyComments)?;
        for document in documents {
            match yaml::to_json(document) {
                Ok(json) => self.json(Text::whole(json, document.line)),
                Err(fault) => self.problem(None, &fault),
            }
        }
        Ok(())
    }

    fn json(&mut self, text: Text<impl Read>) {
        let mut reader = Reader::new(text, |event: Event<'_>| self.take(&event));
        let result = reader.read();
        let line = reader.line();
        if let Err(fault) = result {
            // The others know their line, or are about the file as a whole.
            let line = matches!(fault, Fault::ObjectTooLarge(_)).then_some(line);
            self.problem(line, &fault);
        }
    }

    fn take(&mut self, event: &Event<'_>) {
        match event {
            Event::Piece(piece) => {
                if let Err(fault) = self.piece(piece) {
                    self.problem(Some(piece.line), &fault);
                }
            }
            Event::ListEnd { kind, is_whole } => {
                let is_of_nodes = self.has_nodes || *kind == Some("NodeList");
                if is_of_nodes && *is_whole && !self.lacks_nodes {
                    self.with_cluster(|cluster| cluster.nodes_listed = true);
                }
                (self.has_nodes, self.lacks_nodes) = (false, false);
            }
        }
    }

    fn piece(&mut self, piece: &Piece<'_>) -> Result<(), Fault> {
        if !piece.text.starts_with('{') {
            return Err(Fault::NotAnObject(shorten(piece.text)));
        }
        let Some(name) = piece.kind else {
            if piece.is_item {
                return Err(Fault::NoKind);
            }
            let answer = answer::read(piece, &self.name, self.clb.as_deref())?;
            if self.target.with_answers {
                self.loaded.world.cloud.insert(answer);
                self.loaded.answers += 1;
            }
            return Ok(());
        };
        let kind = Kind::of(piece.api_version, name);
        self.has_nodes |= kind == Kind::Node && piece.is_item;
        let default_namespace = self.options.default_namespace.as_str();
        let reader = ObjectReader { file: Some(&self.name), default_namespace };
        let read = Reading::of(&reader, kind, piece)
            .inspect_err(|_| self.lacks_nodes |= kind == Kind::Node && piece.is_item)?;
        match self.loaded.put(self.target.cluster, read) {
            Some(Inserted::Conflict(Place(place))) => {
                let there = place.map_or_else(String::new, |at| format!("{}:{}", at.file, at.line));
                Err(Fault::Conflict { object: describe(piece), there })
            }
            inserted => {
                self.is_filled |= inserted.is_some();
                Ok(())
            }
        }
    }

    fn with_cluster<T>(&mut self, act: impl FnOnce(&mut Cluster) -> T) -> Option<T> {
        self.loaded.world.clusters.get_mut(self.target.cluster).map(act)
    }
}

/// The start of a value, for a message.
fn shorten(text: &str) -> String {
    let mut start: String = text.chars().take(40).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    start
}
