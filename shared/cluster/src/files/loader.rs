use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use clbmigrate_core::snapshot::Cluster;

use super::{
    Options, Source,
    answer::ReadAnswers,
    file::{FileLoader, Target},
    folder::FolderListing,
};
use crate::{
    Loaded,
    parse::{LoadError, TextReader, decompressed},
};

/// Standard input as a source names it.
const STDIN: &str = "-";

/// Reads all sources into one snapshot.
pub(super) struct Loader<'o> {
    options: &'o Options,
    loaded: Loaded,
    answers: ReadAnswers,
    /// The clusters that each file was read for, by its real name.
    known: HashMap<PathBuf, HashSet<usize>>,
    /// The clusters that hold an object.
    filled: HashSet<usize>,
}

impl<'o> Loader<'o> {
    /// A loader that has read nothing yet.
    pub fn new(options: &'o Options) -> Self {
        Self {
            options,
            loaded: Loaded::default(),
            answers: ReadAnswers::default(),
            known: HashMap::new(),
            filled: HashSet::new(),
        }
    }

    /// Reads all sources.
    pub fn load(mut self, sources: &[Source], stdin: impl Read) -> Loaded {
        let mut stdin = Some(stdin);
        for source in sources {
            let cluster = self.cluster_of(source.context.as_deref());
            let path = source.path.as_path();
            if path == Path::new(STDIN) {
                let is_new = self.known.entry(path.to_owned()).or_default().insert(cluster);
                match stdin.take() {
                    Some(stdin) => {
                        self.input(Target { path, cluster, with_answers: true }, Ok(stdin));
                    }
                    None if is_new => {
                        self.loaded.report(path.display(), None, &LoadError::StdinTwice);
                    }
                    None => {}
                }
            } else if fs::metadata(path).is_ok_and(|target| target.is_dir()) {
                let listing = FolderListing::of(path);
                for (path, error) in &listing.errors {
                    self.loaded.report(path.display(), None, error);
                }
                listing.files.iter().for_each(|path| self.file(cluster, path));
            } else {
                self.file(cluster, path);
            }
        }
        self.drop_unnamed();
        self.answers.insert_into(&mut self.loaded.snapshot);
        self.loaded.snapshot.infer_cluster_ids();
        self.loaded
    }

    /// Beside named clusters, unnamed files that hold nothing but the CLB API's answers are no
    /// cluster of their own.
    fn drop_unnamed(&mut self) {
        let clusters = &mut self.loaded.snapshot.clusters;
        let unnamed = clusters.iter().position(|cluster| cluster.context.is_none());
        if let Some(index) = unnamed.filter(|index| !self.filled.contains(index))
            && clusters.len() > 1
        {
            clusters.remove(index);
        }
    }

    fn cluster_of(&mut self, context: Option<&str>) -> usize {
        let clusters = &mut self.loaded.snapshot.clusters;
        let known = clusters.iter().position(|cluster| cluster.context.as_deref() == context);
        known.unwrap_or_else(|| {
            let mut cluster = Cluster::default();
            cluster.context = context.map(Arc::from);
            clusters.push(cluster);
            clusters.len() - 1
        })
    }

    fn file(&mut self, cluster: usize, path: &Path) {
        // A name that cannot be resolved cannot be opened either, and that is told below.
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let clusters = self.known.entry(real).or_default();
        // The CLB API's answers belong to all clusters, so they are taken the first time only.
        let with_answers = clusters.is_empty();
        if clusters.insert(cluster) {
            let target = Target { path, cluster, with_answers };
            self.input(target, File::open(path).map_err(LoadError::Open));
        }
    }

    fn input<R: Read>(&mut self, target: Target<'_>, input: Result<R, LoadError>) {
        match input.and_then(|input| decompressed(input).map_err(LoadError::Read)) {
            Ok(input) => {
                self.loaded.files += 1;
                let file =
                    FileLoader::new(self.options, &mut self.loaded, &mut self.answers, target);
                if file.load(TextReader::new(input)) {
                    self.filled.insert(target.cluster);
                }
            }
            Err(error) => self.loaded.report(target.path.display(), None, &error),
        }
    }
}
