//! Follows the configuration file, and keeps the last good one.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::Config;

/// The configuration in force. It is replaced as a whole while others read it.
pub type SharedConfig = Arc<ArcSwap<Config>>;

/// What became of a change of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reload {
    /// The new configuration is in force.
    Applied,
    /// The file is unreadable or wrong, for this reason. The configuration before stays in force.
    Rejected(String),
}

/// Watches one file by its content.
///
/// Not by inotify: a ConfigMap's volume swaps a link in the folder's depths, which a watch of the
/// file never hears of. Reading a small file again costs nothing and cannot miss anything.
#[derive(Debug)]
pub struct ConfigWatcher {
    file: PathBuf,
    config: SharedConfig,
    /// The text that was read last, or why it could not be read.
    seen: Result<String, String>,
    /// The text of the configuration in force.
    accepted: watch::Sender<String>,
}

impl ConfigWatcher {
    /// Reads the file for the first time.
    ///
    /// # Errors
    /// With the file's name, the line and the remedy, where it is unreadable or wrong.
    pub fn open(file: &Path) -> Result<Self, String> {
        let text = read(file)?;
        let config = parse(file, &text)?;
        Ok(Self::new(file, config, Ok(text.clone()), text))
    }

    /// A watcher of a file that is unreadable or wrong now. Until it is good, the configuration of `text`
    /// is in force.
    ///
    /// # Errors
    /// When the text is wrong.
    pub fn beginning_with(file: &Path, text: &str) -> Result<Self, String> {
        let config = parse(file, text)?;
        Ok(Self::new(file, config, read(file), text.to_owned()))
    }

    fn new(file: &Path, config: Config, seen: Result<String, String>, accepted: String) -> Self {
        Self {
            file: file.to_owned(),
            config: Arc::new(ArcSwap::from_pointee(config)),
            seen,
            accepted: watch::Sender::new(accepted),
        }
    }

    /// The text of the configuration in force, which changes with it.
    pub fn accepted(&self) -> watch::Receiver<String> {
        self.accepted.subscribe()
    }

    /// The configuration in force, which this watcher goes on replacing.
    pub fn config(&self) -> SharedConfig {
        Arc::clone(&self.config)
    }

    /// Reads the file again; `None` if it is as it was the last time.
    pub fn poll(&mut self) -> Option<Reload> {
        let now = read(&self.file);
        if now == self.seen {
            return None;
        }
        self.seen = now;
        let parsed = self.seen.as_ref().map_err(Clone::clone);
        Some(match parsed.and_then(|text| parse(&self.file, text)) {
            Ok(config) => {
                self.config.store(Arc::new(config));
                if let Ok(text) = &self.seen {
                    self.accepted.send_replace(text.clone());
                }
                Reload::Applied
            }
            Err(why) => Reload::Rejected(why),
        })
    }

    /// Polls the file for ever at this interval, and calls `on_reload` after each change.
    pub async fn run(mut self, every: Duration, mut on_reload: impl FnMut(Reload)) {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Some(reload) = self.poll() {
                on_reload(reload);
            }
        }
    }
}

fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

fn parse(file: &Path, text: &str) -> Result<Config, String> {
    match Config::parse(text) {
        Ok(config) => Ok(config),
        Err(error) => {
            let problems = error.0.iter();
            let lines =
                problems.map(|it| format!("{}:{}: {}", file.display(), it.line, it.message));
            Err(lines.collect::<Vec<_>>().join("\n"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    /// A folder as kubelet fills it: the file is a link into `..data`, which is a link that moves.
    fn mount(folder: &Path, generation: u32, text: &str) {
        let version = folder.join(format!("..{generation}"));
        fs::create_dir(&version).expect("a folder");
        fs::write(version.join("config.yaml"), text).expect("a file");
        let (link, data) = (folder.join("..data_tmp"), folder.join("..data"));
        symlink(&version, &link).expect("a link");
        fs::rename(link, data).expect("a rename");
        if generation == 1 {
            symlink("..data/config.yaml", folder.join("config.yaml")).expect("a link");
        } else {
            let old = folder.join(format!("..{}", generation - 1));
            fs::remove_dir_all(old).expect("removed");
        }
    }

    #[test]
    fn a_changed_volume_is_noticed_and_a_bad_file_keeps_the_last_good_one() {
        let folder = tempfile::tempdir().expect("a folder");
        mount(folder.path(), 1, "preStopSeconds: 10");
        let mut watcher =
            ConfigWatcher::open(&folder.path().join("config.yaml")).expect("a good file");
        let config = watcher.config();
        assert_eq!(watcher.poll(), None);

        mount(folder.path(), 2, "preStopSeconds: 20");
        assert_eq!(watcher.poll(), Some(Reload::Applied));
        assert_eq!(config.load().pre_stop_seconds, 20);

        mount(folder.path(), 3, "\npreStopSeconds: 0");
        let Some(Reload::Rejected(why)) = watcher.poll() else { panic!("a bad file was taken") };
        assert!(why.contains("config.yaml:2: preStopSeconds is 0"), "{why}");
        assert_eq!(config.load().pre_stop_seconds, 20);
        assert_eq!(watcher.poll(), None, "the same mistake is told once");

        mount(folder.path(), 4, "preStopSeconds: 40");
        assert_eq!(watcher.poll(), Some(Reload::Applied));
        assert_eq!(config.load().pre_stop_seconds, 40);
    }

    #[test]
    fn a_file_that_vanishes_keeps_the_last_good_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config.yaml");
        fs::write(&file, "preStopSeconds: 10").expect("a file");
        let mut watcher = ConfigWatcher::open(&file).expect("a good file");
        fs::remove_file(&file).expect("removed");
        assert!(matches!(watcher.poll(), Some(Reload::Rejected(_))));
        assert_eq!(watcher.config().load().pre_stop_seconds, 10);
    }

    #[test]
    fn a_bad_file_at_the_start_may_stand_behind_the_last_good_text() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config.yaml");
        fs::write(&file, "preStopSeconds: none").expect("a file");
        let mut watcher = ConfigWatcher::beginning_with(&file, "preStopSeconds: 10").expect("good");
        let (config, accepted) = (watcher.config(), watcher.accepted());
        assert_eq!(config.load().pre_stop_seconds, 10);
        assert_eq!(*accepted.borrow(), "preStopSeconds: 10");
        assert_eq!(watcher.poll(), None, "the bad file was told");
        fs::write(&file, "preStopSeconds: 20").expect("a file");
        assert_eq!(watcher.poll(), Some(Reload::Applied));
        assert_eq!(config.load().pre_stop_seconds, 20);
        assert_eq!(*accepted.borrow(), "preStopSeconds: 20");
        let wrong = ConfigWatcher::beginning_with(&file, "nonsense: 1").expect_err("wrong");
        assert!(wrong.contains("nonsense"), "{wrong}");
    }

    #[test]
    fn the_first_file_must_be_good() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config.yaml");
        let missing = ConfigWatcher::open(&file).expect_err("there is none");
        assert!(missing.contains("config.yaml: No such file"), "{missing}");
        fs::write(&file, "prestopseconds: 10").expect("a file");
        let wrong = ConfigWatcher::open(&file).expect_err("a wrong one");
        assert!(wrong.contains("config.yaml:1: unknown field"), "{wrong}");
    }
}
