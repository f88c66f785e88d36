//! The executor with real parts: the journal in its file, plugins in the sandbox, the gate, and a server that counts what
//! really arrives. The engine is killed at the journal: what was not kept by then never was.

mod crash;
mod rules;
mod speed;
mod world;
