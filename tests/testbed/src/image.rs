//! Container images of one file: a static program.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use crate::digest::sha256;

/// The image that holds the namespaces of a pod.
pub(crate) const PAUSE: &str = "clbmigrate.test/pause:1";
/// The image of a web server on port 8080 that answers with the name of its Pod.
pub const APP: &str = "clbmigrate.test/app:1";

/// An image to write.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    /// The name, with a registry that has a dot, such as `clbmigrate.test/app:1`. Without a dot,
    /// containerd would look in the public registry.
    pub name: &'a str,
    /// The path of the program, which must be linked statically. It becomes `/app` in the image.
    pub program: &'a Path,
    /// Arguments of the entry point. A Pod's own `args` follow them.
    pub arguments: &'a [&'a str],
}

/// The image of the pause program and that of the web server, which are one program.
pub(crate) fn write_testbed_images(program: &Path, archive: &Path) -> anyhow::Result<()> {
    let pause = Image { name: PAUSE, program, arguments: &["pause"] };
    let app = Image { name: APP, program, arguments: &["serve"] };
    write(archive, &[pause, app])
}

/// Writes images to an archive in the OCI image layout, for [`crate::Cluster::import_image`].
pub fn write(archive: &Path, images: &[Image<'_>]) -> anyhow::Result<()> {
    let file = File::create(archive).with_context(|| format!("{}", archive.display()))?;
    write_to(file, images).with_context(|| format!("{}", archive.display()))
}

fn write_to(out: impl Write, images: &[Image<'_>]) -> anyhow::Result<()> {
    let mut archive = Builder::new(out);
    folder(&mut archive, "blobs/")?;
    folder(&mut archive, "blobs/sha256/")?;
    let mut manifests = Vec::new();
    for image in images {
        manifests.push(add(&mut archive, image)?);
    }
    let index = json!({"schemaVersion": 2, "manifests": manifests});
    file(&mut archive, "oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    file(&mut archive, "index.json", 0o644, index.to_string().as_bytes())?;
    archive.into_inner()?.flush()?;
    Ok(())
}

/// Adds the parts of an image; returns what the index says about it.
fn add(archive: &mut Builder<impl Write>, image: &Image<'_>) -> anyhow::Result<Value> {
    let program =
        fs::read(image.program).with_context(|| format!("{}", image.program.display()))?;
    let mut layer = Builder::new(Vec::new());
    file(&mut layer, "app", 0o755, &program)?;
    let layer = layer.into_inner()?;

    let mut entrypoint = vec!["/app"];
    entrypoint.extend(image.arguments);
    let config = json!({
        "architecture": architecture()?,
        "os": "linux",
        "config": {"Entrypoint": entrypoint},
        "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
    });
    let config = config.to_string().into_bytes();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(archive, "application/vnd.oci.image.config.v1+json", &config)?,
        "layers": [blob(archive, "application/vnd.oci.image.layer.v1.tar", &layer)?],
    });
    let manifest = manifest.to_string().into_bytes();
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let mut descriptor = blob(archive, kind, &manifest)?;
    // What containerd calls the image.
    let name = json!({"io.containerd.image.name": image.name});
    if let Some(descriptor) = descriptor.as_object_mut() {
        descriptor.insert("annotations".to_owned(), name);
    }
    Ok(descriptor)
}

fn blob(archive: &mut Builder<impl Write>, kind: &str, data: &[u8]) -> anyhow::Result<Value> {
    let digest = digest(data);
    file(archive, &format!("blobs/{}", digest.replace(':', "/")), 0o644, data)?;
    Ok(json!({"mediaType": kind, "digest": digest, "size": data.len()}))
}

fn folder(archive: &mut Builder<impl Write>, path: &str) -> anyhow::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Directory);
    header.set_mode(0o755);
    header.set_size(0);
    Ok(archive.append_data(&mut header, path, std::io::empty())?)
}

fn file(
    archive: &mut Builder<impl Write>,
    path: &str,
    mode: u32,
    data: &[u8],
) -> anyhow::Result<()> {
    let mut header = Header::new_gnu();
    header.set_mode(mode);
    header.set_size(data.len() as u64);
    Ok(archive.append_data(&mut header, path, data)?)
}

fn digest(data: &[u8]) -> String {
    format!("sha256:{}", sha256([data]))
}

/// This machine's, as images name it.
fn architecture() -> anyhow::Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        other => bail!("no name for images of the architecture {other}"),
    }
}
