//! `trigger.at_least`: how often the alerts of one group key began to fire.
//!
//! A firing is an alert that begins to fire: the same alert told of again is none. It is counted from when it came in, so
//! that a sender's clock cannot bring it near. A fold of the alerts as they came, so that it can be made again from those
//! that the journal kept.

use std::collections::{BTreeMap, VecDeque};

use stanch_contract::{Alert, AlertStatus, Timestamp};
use stanch_runbook::model::AtLeast;

/// One alert that began to fire.
#[derive(Debug, Clone, PartialEq)]
struct Firing {
    at: Timestamp,
    /// As it was last told of.
    alert: Alert,
}

/// The firings of each runbook and group key, the oldest first. Of each no more are kept than the runbook asks for.
#[derive(Debug, Clone, Default)]
pub struct Firings {
    of: BTreeMap<(String, String), VecDeque<Firing>>,
}

impl Firings {
    /// Takes an alert in as it came at `at`, and gives how many firings are within the time then.
    pub fn note(
        &mut self,
        runbook: &str,
        group_key: &str,
        alert: &Alert,
        at: Timestamp,
        at_least: AtLeast,
    ) -> u32 {
        let key = (runbook.to_owned(), group_key.to_owned());
        let firings = self.of.entry(key.clone()).or_default();
        firings.retain(|firing| at.since(firing.at) < at_least.within);
        let mut known = false;
        for firing in firings
            .iter_mut()
            .filter(|f| f.alert.fingerprint == alert.fingerprint)
        {
            known |= firing.alert.starts_at == alert.starts_at;
            firing.alert.status = alert.status;
        }
        if !known && alert.status == AlertStatus::Firing {
            firings.push_back(Firing {
                at,
                alert: alert.clone(),
            });
            let most = usize::try_from(at_least.count).unwrap_or(usize::MAX);
            while firings.len() > most {
                firings.pop_front();
            }
        }
        let count = u32::try_from(firings.len()).unwrap_or(u32::MAX);
        if firings.is_empty() {
            self.of.remove(&key);
        }
        count
    }

    /// How many firings are within the time now.
    pub fn count(&self, runbook: &str, group_key: &str, now: Timestamp, at_least: AtLeast) -> u32 {
        let firings = self.of.get(&(runbook.to_owned(), group_key.to_owned()));
        let within = firings
            .into_iter()
            .flatten()
            .filter(|firing| now.since(firing.at) < at_least.within);
        u32::try_from(within.count()).unwrap_or(u32::MAX)
    }

    /// Whether this firing of this alert is among those counted.
    pub fn knows(&self, runbook: &str, group_key: &str, alert: &Alert) -> bool {
        let firings = self.of.get(&(runbook.to_owned(), group_key.to_owned()));
        firings.into_iter().flatten().any(|firing| {
            firing.alert.fingerprint == alert.fingerprint && firing.alert.starts_at == alert.starts_at
        })
    }

    /// The alerts of the group key that still fire, each once, the first first.
    pub fn firing(&self, runbook: &str, group_key: &str) -> Vec<Alert> {
        let firings = self.of.get(&(runbook.to_owned(), group_key.to_owned()));
        let mut alerts: Vec<Alert> = Vec::new();
        for firing in firings.into_iter().flatten() {
            let known = alerts.iter().any(|a| a.fingerprint == firing.alert.fingerprint);
            if firing.alert.status == AlertStatus::Firing && !known {
                alerts.push(firing.alert.clone());
            }
        }
        alerts
    }
}

#[cfg(test)]
mod tests {
    use stanch_contract::Span;

    use super::*;
    use crate::tests::alert;

    const THREE: AtLeast = AtLeast {
        count: 3,
        within: Span::from_secs(600),
    };

    fn began(fingerprint: &str, starts_at: &str) -> Alert {
        Alert {
            starts_at: starts_at.into(),
            ..alert(fingerprint, AlertStatus::Firing)
        }
    }

    fn note(firings: &mut Firings, alert: &Alert, secs: i64) -> u32 {
        firings.note("book", "group", alert, Timestamp(secs * 1_000), THREE)
    }

    #[test]
    fn an_alert_told_of_again_is_no_further_firing_and_one_that_fires_anew_is() {
        let mut firings = Firings::default();
        assert_eq!(note(&mut firings, &began("a", "1"), 0), 1);
        assert_eq!(note(&mut firings, &began("a", "1"), 60), 1);
        let resolved = Alert {
            status: AlertStatus::Resolved,
            ..began("a", "1")
        };
        assert_eq!(note(&mut firings, &resolved, 61), 1);
        assert!(firings.firing("book", "group").is_empty());
        assert_eq!(note(&mut firings, &began("a", "2"), 62), 2);
        assert_eq!(firings.firing("book", "group").len(), 1);
    }

    #[test]
    fn firings_of_other_alerts_of_the_group_count_and_those_of_another_group_do_not() {
        let mut firings = Firings::default();
        assert_eq!(note(&mut firings, &began("a", "1"), 0), 1);
        assert_eq!(note(&mut firings, &began("b", "1"), 1), 2);
        assert_eq!(
            firings.note("book", "other", &began("c", "1"), Timestamp(2_000), THREE),
            1
        );
        assert_eq!(
            firings.note("other", "group", &began("c", "1"), Timestamp(2_000), THREE),
            1
        );
        assert_eq!(note(&mut firings, &began("c", "1"), 3), 3);
        let names: Vec<String> = firings
            .firing("book", "group")
            .into_iter()
            .map(|alert| alert.fingerprint)
            .collect();
        assert_eq!(names, ["a", "b", "c"]);
    }

    #[test]
    fn what_is_older_than_the_time_does_not_count() {
        let mut firings = Firings::default();
        note(&mut firings, &began("a", "1"), 0);
        note(&mut firings, &began("b", "1"), 300);
        assert_eq!(firings.count("book", "group", Timestamp(599_999), THREE), 2);
        assert_eq!(firings.count("book", "group", Timestamp(600_000), THREE), 1);
        assert_eq!(note(&mut firings, &began("c", "1"), 600), 2);
        assert!(firings.knows("book", "group", &began("b", "1")));
        assert!(!firings.knows("book", "group", &began("a", "1")));
    }
}
