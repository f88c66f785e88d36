//! effect-counter, promising that a repeat has no second effect.

stanch_plugin::export!(effect_counter::Effect<true> as remediation);
