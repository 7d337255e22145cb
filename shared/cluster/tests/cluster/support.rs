//! Files of a test, and what is read from them.

use std::{fs, io, path::PathBuf};

use clbmigrate_cluster::{
    Loaded,
    files::{Options, Source, load},
};
use clbmigrate_core::{
    object::{ObjectMeta, Origin, Service},
    snapshot::Cluster,
};
use tempfile::TempDir;

/// A folder of a test's own.
pub struct Folder(TempDir);

impl Folder {
    /// A folder with these files.
    pub fn with(files: &[(&str, &[u8])]) -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        for (name, content) in files {
            let path = folder.path(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, content).expect("a file");
        }
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.0.path().to_owned() } else { self.0.path().join(name) }
    }

    /// Reads files of the folder, each with its context's name.
    pub fn load(&self, sources: &[(Option<&str>, &str)]) -> Loaded {
        self.load_with(sources, &Options::default())
    }

    pub fn load_with(&self, sources: &[(Option<&str>, &str)], options: &Options) -> Loaded {
        let sources: Vec<Source> = sources
            .iter()
            .map(|(name, path)| Source { context: name.map(str::to_owned), path: self.path(path) })
            .collect();
        load(&sources, io::empty(), options)
    }

    /// The problems, with the folder's own name left out.
    pub fn problems(&self, loaded: &Loaded) -> Vec<String> {
        let folder = format!("{}/", self.0.path().display());
        loaded.problems.iter().map(|problem| problem.to_string().replace(&folder, "")).collect()
    }
}

/// Reads one file of that name and returns its problems too.
pub fn read(name: &str, content: impl AsRef<[u8]>) -> (Loaded, Vec<String>) {
    read_with(name, content, &Options::default())
}

pub fn read_with(
    name: &str,
    content: impl AsRef<[u8]>,
    options: &Options,
) -> (Loaded, Vec<String>) {
    let folder = Folder::with(&[(name, content.as_ref())]);
    let loaded = folder.load_with(&[(None, name)], options);
    let problems = folder.problems(&loaded);
    (loaded, problems)
}

/// Reads standard input.
pub fn read_stdin(content: impl AsRef<[u8]>) -> Loaded {
    let source = Source { context: None, path: "-".into() };
    load(&[source], content.as_ref(), &Options::default())
}

/// Reads one file in which nothing is wrong.
pub fn read_well(name: &str, content: impl AsRef<[u8]>) -> Loaded {
    let (loaded, problems) = read(name, content);
    assert_eq!(problems, Vec::<String>::new());
    loaded
}

/// The only cluster.
pub fn cluster(loaded: &Loaded) -> &Cluster {
    assert_eq!(loaded.snapshot.clusters.len(), 1, "one cluster");
    &loaded.snapshot.clusters[0]
}

/// The Services' names with namespaces.
pub fn services(cluster: &Cluster) -> Vec<String> {
    let name =
        |service: &Service| format!("{}/{}", service.metadata.namespace(), service.metadata.name);
    cluster.services().map(name).collect()
}

/// Where an object was read.
pub fn origin(meta: &ObjectMeta) -> &Origin {
    meta.origin.0.as_deref().expect("an origin")
}

/// A Service as JSON on one line.
pub fn service(name: &str) -> String {
    format!(
        r#"{{"apiVersion":"v1","kind":"Service","metadata":{{"name":"{name}"}},"spec":{{"ports":[{{"port":80}}]}}}}"#
    )
}

/// A Service as YAML.
pub fn service_yaml(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\nspec:\n  ports:\n  - port: 80\n"
    )
}
