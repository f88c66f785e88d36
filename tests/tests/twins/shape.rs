//! One shape for all: what a twin has, and what must be so whichever it is.

use std::future::Future;
use std::pin::Pin;

use serde_json::Value;
use stanch_contract::plan::ActionState;
use stanch_contract::{FailureCode, Verdict};
use stanch_sandbox::CallFault;
use stanch_sandbox::gate::Layer;
use stanch_tests::{Installed, code};

/// What is wrong on the way to a target, or with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It answers 500 to what would change it, and does nothing.
    Fails,
    /// There is nobody.
    Gone,
    /// Nothing that changes it arrives, and nothing comes back.
    Silent,
    /// It takes its time.
    Slow,
    /// It does what it is told, and nobody hears of it.
    AnswerLost,
}

/// The way to a target.
pub(crate) trait Way: Send + Sync {
    /// From now on only this is wrong.
    fn set(&self, trouble: Trouble);
    /// Nothing is wrong any more.
    fn heal(&self);
    /// How many requests that change something have arrived at the target.
    fn arrived(&self) -> usize;
}

/// What there is to undo with.
pub(crate) enum Back {
    /// The plugin puts back what was there.
    Undone,
    /// It says this: there is no way back.
    Never(&'static str),
}

/// A plugin with its target, and what that is able to.
pub(crate) struct Twin<'a> {
    /// For messages.
    pub(crate) name: &'static str,
    /// With all that it needs.
    pub(crate) plugin: Installed,
    /// With what it needs to look.
    pub(crate) reader: Installed,
    pub(crate) params: Value,
    pub(crate) way: &'a dyn Way,
    /// What the change is about, as it is at the target.
    pub(crate) state: &'a (dyn Fn() -> Value + Sync),
    /// Somebody else changes it, and with which code a plan that is older fails then; with none where what they did is what was
    /// planned. None where nobody could be in the way.
    pub(crate) somebody: Option<(&'a (dyn Fn() + Sync), Option<FailureCode>)>,
    /// Somebody makes all as it was in the beginning.
    pub(crate) reset: &'a (dyn Fn() + Sync),
    /// What the plugin says, once it looks, of a change that was made, and of one that was not.
    pub(crate) looks: [Verdict; 2],
    pub(crate) back: Back,
}

type Applied<'a> = Pin<Box<dyn Future<Output = Result<(), CallFault>> + Send + 'a>>;

impl Twin<'_> {
    /// Plans, has something go wrong, and applies.
    fn tried(&self, trouble: Trouble) -> Applied<'_> {
        Box::pin(async move {
            let checked = self.plugin.checked(&self.params).await;
            self.way.set(trouble);
            let applied = self.plugin.apply(&self.params, checked).await;
            self.way.heal();
            applied.map(drop)
        })
    }

    /// What the gate knows of the only action of the last apply.
    fn known(&self) -> Option<ActionState> {
        self.plugin.made().progress.get(&0).cloned()
    }

    /// All of it.
    pub(crate) async fn all(&self) {
        let name = self.name;
        let before = (self.state)();
        let same = |what: &str| assert_eq!((self.state)(), before, "{name}: {what}");
        let verdict = async |made: bool| {
            let said = self.plugin.verify(&self.params).await.unwrap();
            let wanted = self.looks[usize::from(!made)];
            assert_eq!(said.verdict, wanted, "{name}: {}", said.summary);
        };

        let refused = self.reader.refused(&self.params).await;
        assert_eq!(refused.refusal.layer, Layer::Grant, "{name}: {refused}");
        assert_eq!(self.way.arrived(), 0, "{name}");

        if let Some((somebody, expected)) = self.somebody {
            let checked = self.plugin.checked(&self.params).await;
            somebody();
            let theirs = (self.state)();
            let applied = self.plugin.apply(&self.params, checked).await;
            let said = applied.as_ref().err().map(code);
            assert_eq!(said, expected, "{name}: {applied:?}");
            assert_eq!((self.state)(), theirs, "{name}: theirs stays");
            (self.reset)();
            same("somebody put it back");
        }

        for trouble in [Trouble::Fails, Trouble::Silent] {
            self.tried(trouble).await.unwrap_err();
            same("nothing was done");
            let known = self.known();
            assert!(
                matches!(known, Some(ActionState::Unknown { .. })),
                "{name}, {trouble:?}: {known:?}"
            );
            verdict(false).await;
            if matches!(self.back, Back::Undone) {
                let undo = self.plugin.plan_undo(&self.params).await.unwrap();
                assert_eq!(undo.actions, [], "{name}, {trouble:?}: {}", undo.summary);
            }
        }

        self.tried(Trouble::Gone).await.unwrap_err();
        same("nobody was there");
        let known = self.known();
        assert!(
            matches!(known, None | Some(ActionState::NotSent)),
            "{name}: {known:?}"
        );

        let arrived = self.way.arrived();
        self.tried(Trouble::Slow)
            .await
            .unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert_ne!((self.state)(), before, "{name}: it is done");
        assert_eq!(self.way.arrived() - arrived, 1, "{name}: once");
        verdict(true).await;
        self.put_back().await;
        same("it was put back");

        let arrived = self.way.arrived();
        self.tried(Trouble::AnswerLost).await.unwrap_err();
        assert_ne!(
            (self.state)(),
            before,
            "{name}: it is done, and nobody heard of it"
        );
        assert_eq!(self.way.arrived() - arrived, 1, "{name}: nothing is sent again");
        let known = self.known();
        assert!(
            matches!(known, Some(ActionState::Unknown { .. })),
            "{name}: {known:?}"
        );
        verdict(true).await;
        self.put_back().await;
        same("half an apply was put back");
    }

    /// Undoes the last apply, as far as that goes; else somebody does.
    async fn put_back(&self) {
        match self.back {
            Back::Undone => {
                let undo = self.plugin.way_back(&self.params).await;
                self.plugin.apply(&self.params, undo).await.unwrap();
            }
            Back::Never(said) => {
                let fault = self.plugin.plan_undo(&self.params).await.unwrap_err();
                assert!(fault.to_string().contains(said), "{}: {fault}", self.name);
                (self.reset)();
            }
        }
    }
}
