//! The provider of `[oidc]`: whether it answers, and log-ins can be had there. Nobody is logged in.

use std::sync::Arc;

use stanch_sandbox::gate::Facilities;

use super::{Area, Finding, Health};
use crate::oidc::examined;
use crate::secrets::Secrets;
use crate::snapshot::Snapshot;

pub(super) async fn examine(
    snapshot: &Snapshot,
    facilities: &Arc<Facilities>,
    secrets: &Arc<Secrets>,
) -> Option<Finding> {
    let oidc = snapshot.settings.oidc.as_ref()?;
    let finding = |health, found: String| Finding::new(Area::Provider, &oidc.issuer, health, found);
    Some(match examined(oidc, facilities, secrets).await {
        Ok(keys) => finding(
            Health::Good,
            format!(
                "answers, and has {keys} keys that tokens may be signed with; whether it knows this client and `redirect` shows at a log-in"
            ),
        ),
        Err(why) => {
            finding(Health::Bad, why).todo("look at `issuer` and `addresses` of `[oidc]`: docs/oidc.md")
        }
    })
}
