//! What is left of a testbed, found without the testbed's own code.

use std::fs;
use std::path::Path;

/// Everything that still belongs to a testbed: processes, namespaces, mounts, cgroups, folders.
pub fn left(number: u8, folder: &Path) -> Vec<String> {
    let path = folder.to_str().expect("folders of testbeds are ASCII");
    let mut left = Vec::new();
    left.extend(processes(number, path));
    left.extend(names("/run/netns").into_iter().filter(|name| is_of(name, number)));
    left.extend(lines("/proc/mounts").into_iter().filter(|mount| {
        mount.contains(path) || mount.split(['/', ' ']).any(|word| is_of(word, number))
    }));
    for hierarchy in names("/sys/fs/cgroup") {
        let cgroups = names(&format!("/sys/fs/cgroup/{hierarchy}"));
        let found = cgroups.into_iter().chain([hierarchy.clone()]);
        left.extend(found.filter(|name| is_of(name, number)));
    }
    for file in [folder.to_owned(), folder.with_extension("lock")] {
        if file.exists() {
            left.push(file.display().to_string());
        }
    }
    left
}

fn processes(number: u8, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for pid in names("/proc").into_iter().filter(|name| name.parse::<u32>().is_ok()) {
        let read = |file: &str| {
            let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace('\0', " ")
        };
        let command = read("cmdline");
        let in_cgroup = read("cgroup").split(['/', '\n']).any(|name| is_of(name, number));
        let dead = read("stat").rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z"));
        // With what follows, so that testbed 1 is not testbed 10.
        let belongs = [&command, &read("environ")]
            .iter()
            .any(|text| text.contains(&format!("{path}/")) || text.contains(&format!("{path} ")));
        if !dead && (belongs || in_cgroup) {
            found.push(format!("process {pid}: {command}"));
        }
    }
    found
}

fn is_of(name: &str, number: u8) -> bool {
    let rest = name.strip_prefix(&format!("clbm{number}"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn lines(file: &str) -> Vec<String> {
    fs::read_to_string(file).unwrap_or_default().lines().map(ToOwned::to_owned).collect()
}
