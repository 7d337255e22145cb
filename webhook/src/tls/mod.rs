//! Certificates: from files, or made here and trusted by writing `caBundle`.

mod authority;
mod bundle;
mod files;
mod keeper;
mod mounted;
mod pair;
mod publish;
mod resolver;
mod secret;
mod self_call;
mod step;

pub use authority::{Authority, AuthorityError};
pub use bundle::Bundle;
pub use files::{Folder, Found};
pub use keeper::Keeper;
pub use mounted::Mounted;
pub use pair::{Pair, PairError};
pub use publish::Publisher;
pub use resolver::Resolver;
pub use secret::{SECRET, SecretError, Vault};
pub use self_call::{SelfCall, Trust};
pub use step::{GENERATION, Target};

/// Who writes, for the API server's managedFields.
const MANAGER: &str = "clbmigrate-webhook";
