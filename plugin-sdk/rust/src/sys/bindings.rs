//! The bindings generated from plugin.wit: the imports once, the manifest once, and each kind of plugin on top of them.
//!
//! wit-bindgen names its macros after interfaces, so one crate cannot generate the contract's three worlds as they stand:
//! each exports `manifest`. They are put together from parts here, and the encoder joins the parts that a plugin uses to
//! one world again. `with` points every part at one copy of the shared types.

#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, reason = "generated")]

use std::marker::PhantomData;

use super::component::{attempt, change_plan, context, failure_out, message, outcome_out};
use crate::call;

pub mod imports {
    wit_bindgen::generate!({
        inline: "
            package stanch:kit;
            world imports {
                import runbook:plugin/common@0.1.0;
                import runbook:plugin/host@0.1.0;
                import runbook:plugin/kubernetes@0.1.0;
                import runbook:plugin/http@0.1.0;
                import runbook:plugin/files@0.1.0;
            }
        ",
        path: "../wit",
        world: "stanch:kit/imports",
        generate_all,
        generate_unused_types: true,
    });
}

macro_rules! part {
    ($module:ident, $inline:literal, $world:literal, { $($with:tt)* }) => {
        pub mod $module {
            wit_bindgen::generate!({
                inline: $inline,
                path: "../wit",
                world: $world,
                with: { $($with)* },
                generate_all,
                pub_export_macro: true,
                export_macro_name: "export",
            });
        }
    };
}

part!(
    manifest,
    "package stanch:manifest; world manifest-part { export runbook:plugin/manifest@0.1.0; }",
    "stanch:manifest/manifest-part",
    {}
);
part!(
    diagnosis,
    "package stanch:diagnosis; world diagnosis-part { export runbook:plugin/diagnosis@0.1.0; }",
    "stanch:diagnosis/diagnosis-part",
    { "runbook:plugin/common@0.1.0": crate::sys::bindings::imports::runbook::plugin::common }
);
part!(
    remediation,
    "package stanch:remediation; world remediation-part { export runbook:plugin/remediation@0.1.0; }",
    "stanch:remediation/remediation-part",
    { "runbook:plugin/common@0.1.0": crate::sys::bindings::imports::runbook::plugin::common }
);
part!(
    notification,
    "package stanch:notification; world notification-part { export runbook:plugin/notification@0.1.0; }",
    "stanch:notification/notification-part",
    { "runbook:plugin/common@0.1.0": crate::sys::bindings::imports::runbook::plugin::common }
);

use imports::runbook::plugin::common::{Context, Failure, Finding};

/// What a component of a [`crate::Diagnosis`] exports.
pub struct Diagnosis<T>(PhantomData<T>);

impl<T: crate::Diagnosis> manifest::exports::runbook::plugin::manifest::Guest for Diagnosis<T> {
    fn describe() -> String {
        call::describe_diagnosis::<T>()
    }
}

impl<T: crate::Diagnosis> diagnosis::exports::runbook::plugin::diagnosis::Guest for Diagnosis<T> {
    fn diagnose(ctx: Context, params: String) -> Result<Finding, Failure> {
        call::diagnose::<T>(&context(ctx), &params)
            .map(Into::into)
            .map_err(failure_out)
    }
}

/// What a component of a [`crate::Remediation`] exports.
pub struct Remediation<T>(PhantomData<T>);

impl<T: crate::Remediation> manifest::exports::runbook::plugin::manifest::Guest for Remediation<T> {
    fn describe() -> String {
        call::describe_remediation::<T>()
    }
}

use remediation::exports::runbook::plugin::remediation as wit;

impl<T: crate::Remediation> wit::Guest for Remediation<T> {
    fn plan(ctx: Context, params: String) -> Result<wit::ChangePlan, Failure> {
        call::plan::<T>(&context(ctx), &params)
            .map(Into::into)
            .map_err(failure_out)
    }

    fn apply(ctx: Context, params: String, plan: wit::ChangePlan) -> Result<wit::Outcome, Failure> {
        call::apply::<T>(&context(ctx), &params, change_plan(plan))
            .map(outcome_out)
            .map_err(failure_out)
    }

    fn verify(ctx: Context, params: String, made: wit::AttemptMade) -> Result<Finding, Failure> {
        call::verify::<T>(&context(ctx), &params, attempt(made))
            .map(Into::into)
            .map_err(failure_out)
    }

    fn plan_undo(ctx: Context, params: String, made: wit::AttemptMade) -> Result<wit::ChangePlan, Failure> {
        call::plan_undo::<T>(&context(ctx), &params, attempt(made))
            .map(Into::into)
            .map_err(failure_out)
    }
}

/// What a component of a [`crate::Notification`] exports.
pub struct Notification<T>(PhantomData<T>);

impl<T: crate::Notification> manifest::exports::runbook::plugin::manifest::Guest for Notification<T> {
    fn describe() -> String {
        call::describe_notification::<T>()
    }
}

impl<T: crate::Notification> notification::exports::runbook::plugin::notification::Guest for Notification<T> {
    fn notify(
        ctx: Context,
        params: String,
        told: notification::exports::runbook::plugin::notification::Message,
    ) -> Result<(), Failure> {
        call::notify::<T>(&context(ctx), &params, &message(told)).map_err(failure_out)
    }
}
