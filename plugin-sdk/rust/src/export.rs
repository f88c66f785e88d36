//! The macro that makes a component of a type.

/// Makes this crate a plugin: `stanch_plugin::export!(MyPlugin as diagnosis);`, or `as remediation`, `as notification`.
///
/// Once for a crate, whose crate type is `cdylib`. On other targets than wasm32 it only checks that the trait is there.
#[macro_export]
macro_rules! export {
    ($plugin:ty as diagnosis) => {
        $crate::__export!($plugin, diagnosis, Diagnosis, diagnose);
    };
    ($plugin:ty as remediation) => {
        $crate::__export!($plugin, remediation, Remediation, plan);
    };
    ($plugin:ty as notification) => {
        $crate::__export!($plugin, notification, Notification, notify);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($plugin:ty, $world:ident, $kind:ident, $call:ident) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, unused_qualifications, reason = "generated: the component model's calling convention")]
        const _: () = {
            type Exported = $crate::__private::bindings::$kind<$plugin>;
            $crate::__private::bindings::manifest::export!(Exported with_types_in $crate::__private::bindings::manifest);
            $crate::__private::bindings::$world::export!(Exported with_types_in $crate::__private::bindings::$world);
        };

        #[cfg(not(target_arch = "wasm32"))]
        const _: () = {
            // Also what keeps the compiler from calling the plugin dead code where nothing exports it.
            let _ = $crate::call::$call::<$plugin>;
        };
    };
}
