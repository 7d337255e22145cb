use std::{io::Read, path::Path, sync::Arc};

use clbmigrate_core::{
    object::SourceLocation,
    snapshot::{Cluster, Inserted},
};

use super::{
    Options,
    answer::{self, ReadAnswers},
    format::Format,
    yaml,
};
use crate::{
    Loaded,
    loaded::ParsedObject,
    parse::{Event, JsonReader, Kind, LoadError, ObjectParser, RawObject, TextReader, describe},
};

/// How many problems of one file are reported one by one.
const PROBLEMS: usize = 100;

/// A file, and the cluster that its objects belong to.
#[derive(Clone, Copy)]
pub(super) struct Target<'l> {
    /// The file as the user named it.
    pub path: &'l Path,
    /// The cluster, by its place in the snapshot.
    pub cluster: usize,
    /// Whether answers of the CLB API in it are read. They belong to no cluster, so a file that is
    /// read for several clusters gives them once.
    pub with_answers: bool,
}

/// Reads one file into one cluster.
pub(super) struct FileLoader<'l> {
    options: &'l Options,
    loaded: &'l mut Loaded,
    answers: &'l mut ReadAnswers,
    target: Target<'l>,
    name: Arc<str>,
    is_filled: bool,
    problems: usize,
    /// Of the List at hand: whether it holds nodes, and whether one of them could not be read.
    has_nodes: bool,
    lacks_nodes: bool,
}

impl<'l> FileLoader<'l> {
    /// A loader that has read nothing yet.
    pub fn new(
        options: &'l Options,
        loaded: &'l mut Loaded,
        answers: &'l mut ReadAnswers,
        target: Target<'l>,
    ) -> Self {
        Self {
            options,
            loaded,
            answers,
            name: target.path.display().to_string().into(),
            target,
            is_filled: false,
            problems: 0,
            has_nodes: false,
            lacks_nodes: false,
        }
    }

    /// Reads the file. Returns whether it held an object for its cluster.
    pub fn load(mut self, text: TextReader<impl Read>) -> bool {
        if let Err(error) = self.read(text) {
            self.problem(None, &error);
        }
        if let Some(more) = self.problems.checked_sub(PROBLEMS).filter(|more| *more > 0) {
            self.loaded.report(self.target.path.display(), None, &LoadError::More(more));
        }
        self.is_filled
    }

    fn problem(&mut self, line: Option<u32>, error: &LoadError) {
        self.problems += 1;
        if self.problems <= PROBLEMS {
            self.loaded.report(self.target.path.display(), error.line().or(line), error);
        }
    }

    fn read(&mut self, mut text: TextReader<impl Read>) -> Result<(), LoadError> {
        let Options { yaml_limit, object_limit, .. } = *self.options;
        text.limit(yaml_limit.min(object_limit));
        let first = text.sniff()?.ok_or(LoadError::Empty)?;
        match Format::of_name(self.target.path).unwrap_or_else(|| Format::of_start(first)) {
            Format::Json => {
                text.limit(object_limit);
                self.json(text);
            }
            Format::Yaml => {
                text.limit(yaml_limit);
                self.yaml(text.read_all().map_err(|error| match error {
                    LoadError::ObjectTooLarge(limit) => LoadError::YamlTooLarge(limit),
                    error => error,
                })?)?;
            }
        }
        Ok(())
    }

    fn yaml(&mut self, text: &str) -> Result<(), LoadError> {
        let mut documents = yaml::documents(text).peekable();
        documents.peek().ok_or(LoadError::OnlyComments)?;
        for document in documents {
            match yaml::to_json(document) {
                Ok(json) => self.json(TextReader::whole(json, document.line)),
                Err(error) => self.problem(None, &error),
            }
        }
        Ok(())
    }

    fn json(&mut self, text: TextReader<impl Read>) {
        let mut reader = JsonReader::new(text, |event: Event<'_>| self.take(&event));
        let result = reader.read();
        let line = reader.line();
        if let Err(error) = result {
            // The others know their line, or are about the file as a whole.
            let line = matches!(error, LoadError::ObjectTooLarge(_)).then_some(line);
            self.problem(line, &error);
        }
    }

    fn take(&mut self, event: &Event<'_>) {
        match event {
            Event::Object(raw) => {
                if let Err(error) = self.raw(raw) {
                    self.problem(Some(raw.line), &error);
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

    fn raw(&mut self, raw: &RawObject<'_>) -> Result<(), LoadError> {
        if !raw.text.starts_with('{') {
            return Err(LoadError::NotAnObject(shorten(raw.text)));
        }
        let Some(name) = raw.kind else {
            if raw.is_item {
                return Err(LoadError::NoKind);
            }
            let answer = answer::read(raw, &self.name)?;
            if self.target.with_answers {
                self.answers.push(answer, self.target.path);
                self.loaded.answers += 1;
            }
            return Ok(());
        };
        let kind = Kind::of(raw.api_version, name);
        self.has_nodes |= kind == Kind::Node && raw.is_item;
        let default_namespace = self.options.default_namespace.as_str();
        let reader = ObjectParser { file: Some(&self.name), default_namespace };
        let (read, unread) = match ParsedObject::of(&reader, kind, raw) {
            Ok(read) => (read, None),
            Err(error) => {
                self.lacks_nodes |= kind == Kind::Node && raw.is_item;
                // The rules judge what can be read of a Service; what cannot is told.
                match reader.read_in_part(kind, raw) {
                    Some(object) => (ParsedObject::Object(object), Some(error)),
                    None => return Err(error),
                }
            }
        };
        match self.loaded.insert(self.target.cluster, read) {
            Some(Inserted::Conflict(contradiction)) => {
                self.with_cluster(|cluster| cluster.contradict(&contradiction));
                let first = contradiction.places.first();
                let there = first.and_then(SourceLocation::shown).unwrap_or_default();
                Err(LoadError::Conflict { object: describe(raw), there })
            }
            inserted => {
                self.is_filled |= inserted.is_some();
                unread.map_or(Ok(()), Err)
            }
        }
    }

    fn with_cluster<T>(&mut self, act: impl FnOnce(&mut Cluster) -> T) -> Option<T> {
        self.loaded.snapshot.clusters.get_mut(self.target.cluster).map(act)
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
