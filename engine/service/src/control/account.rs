//! Which account of this machine is at the other end of the socket.
//!
//! The kernel gives a number (SO_PEERCRED); the name is looked up in `/etc/passwd` at each connection. Accounts that only
//! a directory service knows have no name here, so their `os_user` is written as the number: they are refused otherwise,
//! never taken for somebody else.

use std::fs;
use std::io;
use std::path::Path;

use super::actor::Account;

/// The account with this number.
pub(super) fn by_number(uid: u32) -> Account {
    Account {
        uid,
        name: fs::read_to_string("/etc/passwd")
            .ok()
            .and_then(|passwd| name_of(&passwd, uid)),
    }
}

/// The account that owns a file.
///
/// # Errors
/// Where the file cannot be looked at.
pub(super) fn owner(path: &Path) -> io::Result<Account> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(by_number(fs::symlink_metadata(path)?.uid()))
}

/// The first name with this number, as the C library gives it.
fn name_of(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number: u32 = fields.nth(1)?.parse().ok()?;
        (number == uid && !name.is_empty()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_number_and_only_by_that() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\n:x:7::::\ndana:x:1001:0::/:/bin/sh\ntwin:x:1001:0::/:/bin/sh\n";
        let table = [
            (0, Some("root")),
            (1001, Some("dana")),
            (7, None),
            (1002, None),
            (100, None),
        ];
        for (uid, name) in table {
            assert_eq!(name_of(passwd, uid).as_deref(), name, "{uid}");
        }
    }
}
