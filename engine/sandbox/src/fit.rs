//! Which function of a plugin has another shape than the contract's.
//!
//! The linker compares imports by itself. Exports are compared when an instance is made, and the error then does not say
//! which function it was about; so where that failed, they are gone through one by one, to be able to say it.

use stanch_contract::{PluginKind, text};
use wasmtime::Store;
use wasmtime::component::{ComponentNamedList, Instance, InstancePre, Lift, Lower};

use crate::bindings::{common, notify, remedy};
use crate::host::State;
use crate::inspect::CONTRACT;

/// A function that does not fit, and what differs.
pub(crate) struct Misfit {
    pub(crate) function: String,
    pub(crate) why: String,
}

type Told<T> = (Result<T, common::Failure>,);

/// The first function of the component that does not fit.
pub(crate) async fn misfit(
    kind: PluginKind,
    pre: &InstancePre<State>,
    store: &mut Store<State>,
) -> wasmtime::Result<Option<Misfit>> {
    let instance = pre.instantiate_async(&mut *store).await?;
    store.data_mut().instantiated = true;
    let mut fit = Fit { instance, store };
    type Asked<'a> = (&'a common::Context, &'a str);
    type After<'a> = (&'a common::Context, &'a str, &'a remedy::AttemptMade);
    let mut found = fit.check::<(), (String,)>("manifest", "describe");
    let mut look = |one: Option<Misfit>| {
        if found.is_none() {
            found = one;
        }
    };
    match kind {
        PluginKind::Diagnosis => look(fit.check::<Asked<'_>, Told<common::Finding>>("diagnosis", "diagnose")),
        PluginKind::Remediation => {
            type Apply<'a> = (&'a common::Context, &'a str, &'a remedy::ChangePlan);
            look(fit.check::<Asked<'_>, Told<remedy::ChangePlan>>("remediation", "plan"));
            look(fit.check::<Apply<'_>, Told<remedy::Outcome>>("remediation", "apply"));
            look(fit.check::<After<'_>, Told<common::Finding>>("remediation", "verify"));
            look(fit.check::<After<'_>, Told<remedy::ChangePlan>>("remediation", "plan-undo"));
        }
        PluginKind::Notification => {
            type Tell<'a> = (&'a common::Context, &'a str, &'a notify::Message);
            look(fit.check::<Tell<'_>, Told<()>>("notification", "notify"));
        }
    }
    Ok(found)
}

/// What differs, in fewer of wasmtime's words: of the causes those that do not name where.
pub(crate) fn plainly(error: &wasmtime::Error) -> String {
    let causes: Vec<String> = error
        .chain()
        .map(ToString::to_string)
        .filter(|cause| !cause.contains('`') && !cause.starts_with("failed to convert function"))
        .collect();
    let why = if causes.is_empty() {
        error.root_cause().to_string()
    } else {
        causes.join(": ")
    };
    text::clean_line_to(&why.replace("-tuple", " values"), 300)
}

struct Fit<'a> {
    instance: Instance,
    store: &'a mut Store<State>,
}

impl Fit<'_> {
    fn check<P, R>(&mut self, interface: &str, function: &str) -> Option<Misfit>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        let misfit = |why: String| {
            let function = format!("runbook:plugin/{interface}@{CONTRACT}#{function}");
            Some(Misfit {
                function,
                why: text::clean_line_to(&why, 300),
            })
        };
        let of = format!("runbook:plugin/{interface}@{CONTRACT}");
        let Some((_, of)) = self.instance.get_export(&mut *self.store, None, &of) else {
            return misfit("the component does not export it".into());
        };
        let Some((_, at)) = self.instance.get_export(&mut *self.store, Some(&of), function) else {
            return misfit("the component does not export it".into());
        };
        match self.instance.get_typed_func::<P, R>(&mut *self.store, at) {
            Ok(_) => None,
            Err(error) => misfit(plainly(&error)),
        }
    }
}
