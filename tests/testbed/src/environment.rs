//! The environment of programs under test: nothing of that of the user who runs the tests.

use std::env;
use std::path::Path;
use std::process::Command;

/// What is kept: where programs and temporary files are, and what developers ask of Rust programs.
const KEPT: [&str; 5] = ["PATH", "TMPDIR", "RUST_BACKTRACE", "RUST_LOG", "LLVM_PROFILE_FILE"];

/// A home folder for programs that must not have one.
pub const NO_HOME: &str = "/nonexistent";

/// The variables of a program under test: those of this process that concern no test's result, a
/// plain language and terminal, and a home folder.
///
/// Credentials of clouds, proxies and kubeconfigs of the user never are among them.
pub fn environment(home: &Path) -> Vec<(&'static str, String)> {
    let kept = KEPT.into_iter().filter_map(|name| Some((name, env::var(name).ok()?)));
    let set = [
        ("HOME", home.display().to_string()),
        ("LANG", "C.UTF-8".into()),
        ("TERM", "xterm".into()),
    ];
    kept.chain(set).collect()
}

/// Replaces the environment of a command by the [`environment`] with this home folder. What is set on the
/// command before this call is lost.
pub fn clean_environment<'c>(command: &'c mut Command, home: &Path) -> &'c mut Command {
    command.env_clear().envs(environment(home))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::clean_environment;

    #[test]
    fn only_what_is_listed_is_kept() {
        let mut command = Command::new("env");
        let output =
            clean_environment(command.env("HTTPS_PROXY", "http://127.0.0.1:9"), Path::new("/none"));
        let output = output.output().expect("env");
        let text = String::from_utf8(output.stdout).expect("text");
        let names = text.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name);
        let others = names
            .filter(|name| !super::KEPT.contains(name) && !["HOME", "LANG", "TERM"].contains(name));
        // Cargo's variables for the test are in the environment of this process.
        assert_eq!(others.collect::<Vec<_>>(), Vec::<&str>::new());
        assert!(text.contains("HOME=/none\n"), "{text}");
    }
}
