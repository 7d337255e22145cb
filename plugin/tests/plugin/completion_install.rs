//! Where `completion install` puts the helper that kubectl looks for.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::program::{Folder, Output, finish, isolated, program};

const HELPER: &str = "kubectl_complete-clbmigrate";

/// Runs `completion install` of the program at this path, with folders before the usual ones of PATH.
fn install(program: &Path, folders: &[&Path]) -> Output {
    let usual = env::var_os("PATH").expect("PATH");
    let usual: Vec<_> = env::split_paths(&usual).collect();
    let folders = folders.iter().map(|folder| folder.to_path_buf()).chain(usual);
    let mut command = isolated(program);
    command.args(["completion", "install"]).env("PATH", env::join_paths(folders).expect("PATH"));
    finish(&mut command)
}

#[cfg(unix)]
#[test]
fn the_helper_of_a_plugin_that_krew_installed_stands_beside_the_link_on_path() {
    let folders = [Folder::new(&[]), Folder::new(&[])];
    let [bin, store] = folders.each_ref().map(|folder| PathBuf::from(folder.path("")));
    let itself = store.join("kubectl-clbmigrate");
    fs::copy(program(), &itself).expect("a copy");
    let link = bin.join("kubectl-clbmigrate");
    std::os::unix::fs::symlink(&itself, &link).expect("a link");
    let ran = install(&link, &[&bin]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(bin.join(HELPER).is_file(), "{}", ran.out);
    assert!(!store.join(HELPER).exists());
    assert!(!ran.err.contains("is not on PATH"), "{}", ran.err);
}

#[test]
fn the_helper_of_a_plugin_off_path_stands_beside_it_with_a_warning() {
    let folder = Folder::new(&[]);
    let itself = PathBuf::from(folder.path("kubectl-clbmigrate"));
    fs::copy(program(), &itself).expect("a copy");
    let ran = install(&itself, &[]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(PathBuf::from(folder.path(HELPER)).is_file(), "{}", ran.out);
    assert!(ran.err.contains("is not on PATH"), "{}", ran.err);
}
