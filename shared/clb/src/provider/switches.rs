//! What environment variables forbid.

use super::variables;
use crate::{Error, ErrorKind, environment::Environment};

/// Refuses credentials from programs and credentials URIs where the environment forbids them
/// (aliyun-cli: `config/profile.go`). `place` says where the credentials were configured.
pub(super) fn check_external_source(
    environment: &dyn Environment,
    place: &str,
    what: &str,
) -> Result<(), Error> {
    let name = variables::EXTERNAL_DISABLED;
    let is_on = |value: &str| value == "1" || value.eq_ignore_ascii_case("true");
    match environment.variable(name) {
        Some(value) if is_on(&value) => {
            let message = format!("{place}: {name} forbids {what}");
            Err(Error::new(ErrorKind::Config, message)
                .hint(format!("unset {name} if you trust it, or use other credentials")))
        }
        _ => Ok(()),
    }
}

/// Refuses credentials of the instance's role where the environment forbids the metadata
/// (credentials-go: `providers/ecs_ram_role.go`).
pub(super) fn check_instance_role(environment: &dyn Environment, place: &str) -> Result<(), Error> {
    if !environment.is_true(&variables::INSTANCE_DISABLED) {
        return Ok(());
    }
    let [name] = variables::INSTANCE_DISABLED;
    let message = format!("{place}: {name} forbids the role of this ECS instance");
    Err(Error::new(ErrorKind::Config, message)
        .hint(format!("unset {name}, or use other credentials")))
}

/// Whether the instance's metadata may be asked without a token.
pub(super) fn imds_v1_is_allowed(environment: &dyn Environment) -> bool {
    !environment.is_true(&variables::IMDS_V1_DISABLED)
}
