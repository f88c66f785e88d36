//! A runbook as people read it: [`page`] for the one at 3 AM, [`resolved`] for the one who asks where a value comes from.

mod page;
mod resolved;

pub use page::page;
pub use resolved::resolved;
