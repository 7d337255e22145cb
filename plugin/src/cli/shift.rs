use std::str::FromStr;

use clap::{Arg, Args};

use super::{AccessArgs, SERVICE, WriteArgs};

/// What names the servers outside of clusters.
const EXTERNAL: &str = "external";

/// A shift always waits.
fn is_so_anyway(wait: Arg) -> Arg {
    wait.hide(true)
}

/// One context, or several.
fn one_or_several(context: Arg) -> Arg {
    context.conflicts_with("contexts")
}

/// A side of a shift: `CONTEXT`, `CONTEXT=NAMESPACE/NAME`, `external` or `external=ID,ID`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShiftSide {
    /// A Service of this context.
    Context {
        /// The context's name.
        context: String,
        /// The Service's namespace and name, where it is not to be found by the route.
        service: Option<(String, String)>,
    },
    /// Servers outside of clusters: these, or all of the route where there are none.
    External(Vec<String>),
}

impl ShiftSide {
    /// The context, if it is one.
    pub fn context(&self) -> Option<&str> {
        match self {
            Self::Context { context, .. } => Some(context),
            Self::External(_) => None,
        }
    }
}

impl std::fmt::Display for ShiftSide {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Context { context, .. } => f.write_str(context),
            Self::External(ids) if ids.is_empty() => f.write_str("the servers outside"),
            Self::External(ids) => f.write_str(&ids.join(", ")),
        }
    }
}

impl FromStr for ShiftSide {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!(
                "{text:?}: {why}; write CONTEXT, CONTEXT=NAMESPACE/NAME, external or external=ID,ID"
            )
        };
        if text == EXTERNAL {
            return Ok(Self::External(Vec::new()));
        }
        if let Some(ids) = text.strip_prefix(EXTERNAL).and_then(|rest| rest.strip_prefix('=')) {
            let ids: Vec<String> = ids.split(',').map(str::to_owned).collect();
            let is_id = |id: &String| {
                !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            };
            return if ids.iter().all(is_id) {
                Ok(Self::External(ids))
            } else {
                Err(wrong("a server's id holds letters, digits and dashes"))
            };
        }
        // A context's name may hold anything, a Service's neither = nor a second slash.
        let (context, service) = match text.rsplit_once('=') {
            None => (text, None),
            Some((context, service)) => {
                let Some((namespace, name)) = service.split_once('/') else {
                    return Err(wrong("after = comes NAMESPACE/NAME"));
                };
                if namespace.is_empty() || name.is_empty() || name.contains('/') {
                    return Err(wrong("after = comes NAMESPACE/NAME"));
                }
                (context, Some((namespace.to_owned(), name.to_owned())))
            }
        };
        if context.is_empty() {
            return Err(wrong("no context"));
        }
        Ok(Self::Context { context: context.to_owned(), service })
    }
}

/// A share of a route: `20%` or `20`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share(pub f64);

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').unwrap_or(text).trim_end();
        let is_plain = number.chars().all(|c| c.is_ascii_digit() || c == '.');
        match number.parse::<f64>() {
            Ok(percent) if is_plain && (0.0..=100.0).contains(&percent) => {
                Ok(Self(percent / 100.0))
            }
            _ => Err(format!("{text:?} is no share; write 0% to 100%, for example 20%")),
        }
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the digits that binary fractions add.
        write!(f, "{} %", (self.0 * 10_000.0).round() / 100.0)
    }
}

/// Arguments of `shift`.
#[derive(Debug, Args)]
#[command(
    mut_arg("wait", is_so_anyway),
    mut_arg("context", one_or_several),
    override_usage = "kubectl clbmigrate shift [svc/]NAME --from SIDE --to SIDE SHARE [OPTIONS]\n       \
        kubectl clbmigrate shift [svc/]NAME --contexts A,B --finish [OPTIONS]",
    after_help = "\
A SIDE is a context, or external for the servers outside of clusters. SHARE is
what --to carries of the whole route afterwards; what it gains comes from
--from, others keep what they have. --to is raised first; when the CLB carries
that, --from is lowered. Whatever fails, what was written is taken back.

Examples:
  # A fifth of the traffic into the new cluster
  kubectl clbmigrate shift svc/web --from old --to new 20% -n shop

  # From the old machines into a cluster: all of them, then two of them
  kubectl clbmigrate shift svc/web --from external --to new 5% -n shop
  kubectl clbmigrate shift svc/web --from external=i-bp1a,i-bp1b --to new 10%

  # The Service has another name in the old cluster
  kubectl clbmigrate shift svc/web --from old=legacy/www --to new 20% -n shop

  # What it would do: weights, shares, findings; nothing is written
  kubectl clbmigrate shift svc/web --from old --to new 20% --dry-run=server

  # Somebody's change ended half-way: go on, or take it back
  kubectl clbmigrate shift svc/web -n shop --contexts old,new --finish
  kubectl clbmigrate undo svc/web -n shop --contexts old,new"
)]
pub struct ShiftArgs {
    /// The Service in --to, or in --from if that is the only context
    #[arg(value_name = SERVICE)]
    pub target: String,

    /// What --to carries of the whole route afterwards, 0% to 100%
    #[arg(value_name = "SHARE", required_unless_present = "finish")]
    pub share: Option<Share>,

    /// Who gives traffic up
    #[arg(long, value_name = "SIDE", required_unless_present = "finish")]
    pub from: Option<ShiftSide>,

    /// Who gets it
    #[arg(long, value_name = "SIDE", required_unless_present = "finish")]
    pub to: Option<ShiftSide>,

    /// Finish a change that is half done; status names it
    #[arg(long, conflicts_with_all = ["share", "from", "to"])]
    pub finish: bool,

    /// Contexts of the kubeconfig to look at besides those of the sides; with --finish, all that the
    /// change touched
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
    pub contexts: Vec<String>,

    /// Take CCM's word where the CLB cannot be asked
    #[arg(long, help_heading = "Writing")]
    pub unverified: bool,

    /// How to write.
    #[command(flatten)]
    pub write: WriteArgs,

    /// What to look at.
    #[command(flatten)]
    pub access: AccessArgs,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn context(context: &str, service: Option<(&str, &str)>) -> ShiftSide {
        let service = service.map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
        ShiftSide::Context { context: context.to_owned(), service }
    }

    #[rstest]
    #[case("new", Some(context("new", None)))]
    #[case("admin@cs:eu/new", Some(context("admin@cs:eu/new", None)))]
    #[case("old=shop/web", Some(context("old", Some(("shop", "web")))))]
    #[case("a=b=shop/web", Some(context("a=b", Some(("shop", "web")))))]
    #[case("external", Some(ShiftSide::External(Vec::new())))]
    #[case("external=i-a,i-b", Some(ShiftSide::External(vec!["i-a".to_owned(), "i-b".to_owned()])))]
    #[case("external=", None)]
    #[case("external=i-a,,i-b", None)]
    #[case("external=i a", None)]
    #[case("", None)]
    #[case("old=", None)]
    #[case("old=web", None)]
    #[case("old=shop/", None)]
    #[case("old=shop/web/80", None)]
    #[case("=shop/web", None)]
    fn a_side_is_a_context_or_servers(#[case] text: &str, #[case] expected: Option<ShiftSide>) {
        assert_eq!(text.parse().ok(), expected);
    }

    #[rstest]
    #[case("20%", Some("20 %"))]
    #[case("20", Some("20 %"))]
    #[case("20 %", Some("20 %"))]
    #[case("33.3%", Some("33.3 %"))]
    #[case("0", Some("0 %"))]
    #[case("100%", Some("100 %"))]
    #[case("101%", None)]
    #[case("-1", None)]
    #[case("1e1", None)]
    #[case("nan", None)]
    #[case("%", None)]
    #[case("", None)]
    #[case("0.2.1", None)]
    fn a_share_is_a_percentage(#[case] text: &str, #[case] expected: Option<&str>) {
        let read = text.parse::<Share>().ok().map(|share| share.to_string());
        assert_eq!(read.as_deref(), expected);
    }

    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn no_text_makes_the_readers_panic(text in any::<String>()) {
                let _ = text.parse::<Share>();
                let _ = text.parse::<ShiftSide>();
            }
        }
    }
}
