//! `--wait` where CCM's events are missing, have expired, or are of another time: the group tells.

use anyhow::ensure;
use clbmigrate_clb_double::FaultEffect;
use clbmigrate_e2e::{READ_ONLY, Tools, User};
use serde_json::json;

use crate::{
    Case, SERVED,
    served::{ServedUser, ends, message},
};

pub const CASES: &[Case] = &[
    ("more changes in a row than CCM has events for are each proven", SERVED, "many", many),
    (
        "so are those of a CCM that hashes as 2.7 to 2.13 do",
        SERVED,
        "many-ranges",
        many_with_ranges,
    ),
    ("a CCM of an unknown hash that has no events left is proven", SERVED, "mute", unknown_hash),
    ("a success without an event ends the wait", SERVED, "dropped", dropped_success),
    ("a failure of an earlier time is no failure of now", SERVED, "recount", recounted),
    ("a CCM that fails without a word is told of", SERVED, "speechless", speechless),
];

/// How many changes a Service goes through in a row: client-go has events for 12 of them.
const CHANGES: u32 = 26;

/// After how many changes no event is left: each makes two.
const SPENT: u32 = 14;

/// So many changes, each to another weight.
fn set_all(served: &ServedUser<'_, '_>, changes: u32) -> anyhow::Result<()> {
    for weight in (0..changes).map(|number| 22 + 2 * number) {
        let answer = ends(served.set(weight, "30s")?, 0, "done")?;
        ensure!(answer["verified"] == true, "{weight}: {answer}");
        served.holds(&[weight / 2, weight / 2])?;
    }
    ensure!(served.user.writes()? == changes as usize, "each is one write");
    Ok(())
}

fn many(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    set_all(&ServedUser::start(user, tools, &[])?, CHANGES)
}

fn many_with_ranges(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    let ranges = json!({"spec": {"loadBalancerSourceRanges": ["10.0.0.0/8"]}});
    user.ask(&format!("patch service web --type=merge -p {ranges}"))?;
    set_all(&ServedUser::start(user, tools, &["--hash-release", "2.13"])?, SPENT)
}

fn unknown_hash(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    let served = ServedUser::start(user, tools, &["--salt", "other"])?;
    served.ccm.set_event_tokens(0)?;
    ends(served.set(40, "30s")?, 0, "done")?;
    served.holds(&[20, 20])?;
    // Nobody else could tell.
    let told = ends(served.set_blind(42, "4s")?, 4, "timedOut")?;
    ensure!(message(&told).contains("no known release computes"), "{told}");
    Ok(())
}

fn dropped_success(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    let served = ServedUser::start(user, tools, &["--retry-base-ms", "3000"])?;
    // One for the edit, one for the failure.
    served.ccm.set_event_tokens(2)?;
    served.clb.fail_ccm_calls(FaultEffect::Throttle {}, "SetVServerGroupAttribute", Some(1));
    let told = served.set(30, "40s")?.expect_stderr("a round of CCM failed")?;
    ends(told, 0, "done")?;
    served.holds(&[15, 15])
}

fn recounted(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    let served = ServedUser::start(user, tools, &["--retry-base-ms", "3000"])?;
    let fail_once = || served.ccm.fail_rounds("the CLB is locked", Some(1));
    fail_once()?;
    ends(served.set(40, "40s")?, 0, "done")?;
    // An hour later; CCM counts on. Two rounds that fail so would be a failure of the change.
    ensure!(served.ccm.expire_events()? > 0);
    fail_once()?;
    let told = served.set(60, "40s")?.expect_stderr("a round of CCM failed")?;
    ends(told, 0, "done")?;
    let events = user.ask("get events --field-selector reason=SyncLoadBalancerFailed -o json")?;
    let events: serde_json::Value = serde_json::from_str(&events)?;
    ensure!(events["items"][0]["count"] == 2, "the event was not counted on: {events}");
    served.holds(&[30, 30])
}

fn speechless(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    let served = ServedUser::start(user, tools, &[])?;
    served.ccm.set_event_tokens(0)?;
    served.clb.set_ccm_policy(Some(READ_ONLY));
    let told = ends(served.set(40, "5s")?, 4, "timedOut")?;
    let said = message(&told);
    ensure!(said.contains("25 events") && said.contains("Its log knows more"), "{said}");
    ensure!(user.annotation("weight")? == "40", "it may be carried out still");
    served.holds(&[10, 10])
}
