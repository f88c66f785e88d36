//! Which addresses a plugin may reach at all.
//!
//! The public internet may be reached; private networks only where the grant names them; the rest never, whatever a grant
//! says: link-local and metadata services, multicast, and the ranges in which one address stands for another (NAT64, 6to4,
//! Teredo, IPv4-compatible), through which a filter on the outer address would be walked around. The ranges are those of the
//! IANA special-purpose registries; of IPv6, what is neither global unicast nor unique local is not reached.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What kind of address it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// On the public internet.
    Public,
    /// On a private network, which a grant has to name.
    Private(&'static str),
    /// Not reached whatever a grant says.
    Never(&'static str),
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

/// The first that contains an address decides.
const V4: [(Ipv4Net, Kind); 21] = [
    (v4(169, 254, 169, 254, 32), Kind::Never("a metadata service")),
    (v4(100, 100, 100, 200, 32), Kind::Never("a metadata service")),
    (v4(168, 63, 129, 16, 32), Kind::Never("a metadata service")),
    (v4(192, 0, 0, 192, 32), Kind::Never("a metadata service")),
    (v4(169, 254, 0, 0, 16), Kind::Never("link-local")),
    (v4(0, 0, 0, 0, 8), Kind::Never("unspecified")),
    (v4(192, 0, 0, 0, 24), Kind::Never("reserved for protocols")),
    (v4(192, 0, 2, 0, 24), Kind::Never("for documentation")),
    (v4(198, 51, 100, 0, 24), Kind::Never("for documentation")),
    (v4(203, 0, 113, 0, 24), Kind::Never("for documentation")),
    (v4(198, 18, 0, 0, 15), Kind::Never("for benchmarks")),
    (v4(192, 88, 99, 0, 24), Kind::Never("a 6to4 relay")),
    (v4(192, 31, 196, 0, 24), Kind::Never("reserved for protocols")),
    (v4(192, 52, 193, 0, 24), Kind::Never("reserved for protocols")),
    (v4(224, 0, 0, 0, 4), Kind::Never("multicast")),
    (v4(240, 0, 0, 0, 4), Kind::Never("reserved or broadcast")),
    (v4(127, 0, 0, 0, 8), Kind::Private("loopback")),
    (v4(10, 0, 0, 0, 8), Kind::Private("private")),
    (v4(172, 16, 0, 0, 12), Kind::Private("private")),
    (v4(192, 168, 0, 0, 16), Kind::Private("private")),
    (v4(100, 64, 0, 0, 10), Kind::Private("carrier-grade NAT")),
];

/// The first that contains an address decides; what none contains is not reached.
const V6: [(Ipv6Net, Kind); 13] = [
    (
        Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128),
        Kind::Private("loopback"),
    ),
    (v6(0xfd00, 0xec2, 0, 32), Kind::Never("a metadata service")),
    (v6(0xfd20, 0xce, 0, 64), Kind::Never("a metadata service")),
    (v6(0xfc00, 0, 0, 7), Kind::Private("unique local")),
    (v6(0xfe80, 0, 0, 10), Kind::Never("link-local")),
    (v6(0xff00, 0, 0, 8), Kind::Never("multicast")),
    (v6(0x64, 0xff9b, 0, 32), Kind::Never("NAT64")),
    (v6(0x2002, 0, 0, 16), Kind::Never("6to4")),
    (v6(0x2001, 0, 0, 32), Kind::Never("Teredo")),
    (v6(0x2001, 0, 0, 23), Kind::Never("reserved for protocols")),
    (v6(0x2001, 0xdb8, 0, 32), Kind::Never("for documentation")),
    (v6(0x3fff, 0, 0, 20), Kind::Never("for documentation")),
    (v6(0x2000, 0, 0, 3), Kind::Public),
];

/// The one address that an address stands for: an IPv4-mapped IPv6 address is its IPv4 address.
pub fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

/// What kind `ip` is, in its canonical form.
pub fn kind(ip: IpAddr) -> Kind {
    match canonical(ip) {
        IpAddr::V4(ip) => V4
            .iter()
            .find(|(net, _)| net.contains(&ip))
            .map_or(Kind::Public, |(_, kind)| *kind),
        IpAddr::V6(ip) => V6
            .iter()
            .find(|(net, _)| net.contains(&ip))
            .map_or(Kind::Never("not global unicast"), |(_, kind)| *kind),
    }
}

/// The networks that a grant opens besides the public internet. Several lists: an address has to be in each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressPolicy(Vec<Vec<IpNet>>);

impl AddressPolicy {
    /// What this list opens.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(vec![networks])
    }

    /// For a server that the operator names: it may be on any network; what is never reached is not reached for it either.
    pub fn everywhere() -> Self {
        let all = ["0.0.0.0/0", "::/0"].iter();
        Self::new(all.filter_map(|network| network.parse().ok()).collect())
    }

    /// What both open.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.0.extend(other.0.iter().cloned());
        self
    }

    /// The address to connect to, in canonical form.
    ///
    /// # Errors
    /// What the address is, where it must not be reached.
    pub fn permit(&self, ip: IpAddr) -> Result<IpAddr, Unreached> {
        let ip = canonical(ip);
        match kind(ip) {
            Kind::Public => Ok(ip),
            Kind::Private(_) if self.0.iter().all(|list| list.iter().any(|net| net.contains(&ip))) => Ok(ip),
            Kind::Private(what) => Err(Unreached { ip, what, ever: true }),
            Kind::Never(what) => Err(Unreached {
                ip,
                what,
                ever: false,
            }),
        }
    }
}

/// An address that must not be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreached {
    /// Which.
    pub ip: IpAddr,
    /// What it is.
    pub what: &'static str,
    /// Whether a grant could open it.
    pub ever: bool,
}

/// One entry of a grant's `addresses`.
///
/// # Errors
/// A sentence that says what would be right.
pub fn parse_network(text: &str) -> Result<IpNet, String> {
    let single = text.parse::<IpAddr>().map(IpNet::from);
    let network = single.or_else(|_| text.parse::<IpNet>());
    let network =
        network.map_err(|_| format!("`{text}` is not a network: write `10.2.0.0/16`, or one address"))?;
    if network.trunc() != network {
        return Err(format!(
            "`{text}` has bits beyond its prefix: write `{}`",
            network.trunc()
        ));
    }
    if canonical(network.addr()) != network.addr() {
        return Err(format!(
            "`{text}` is an IPv4 network in IPv6 form: write it as IPv4"
        ));
    }
    match kind(network.addr()) {
        Kind::Never(what) if kind(network.broadcast()) == Kind::Never(what) => {
            Err(format!("`{text}` is {what}, which no grant can open"))
        }
        _ => Ok(network),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn every_address_is_public_private_or_never_reached() {
        let public = [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.0",
            "172.32.0.1",
            "8.8.8.8",
            "2606:4700::1111",
            "2a00::1",
        ];
        let private = [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.31.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "::1",
            "fd12::1",
        ];
        let never = [
            "169.254.169.254",
            "169.254.1.1",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "0.0.0.0",
            "0.1.2.3",
            "255.255.255.255",
            "224.0.0.1",
            "240.0.0.1",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "198.18.0.1",
            "192.88.99.1",
            "::",
            "::7f00:1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2002:a9fe:a9fe::1",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "100::1",
            "::ffff:0:7f00:1",
            "4000::1",
            "5f00::1",
        ];
        for text in public {
            assert_eq!(kind(ip(text)), Kind::Public, "{text}");
        }
        for text in private {
            assert!(matches!(kind(ip(text)), Kind::Private(_)), "{text}");
        }
        for text in never {
            assert!(matches!(kind(ip(text)), Kind::Never(_)), "{text}");
        }
    }

    #[test]
    fn an_address_in_another_dress_is_the_address() {
        assert!(matches!(
            kind(ip("::ffff:169.254.169.254")),
            Kind::Never("a metadata service")
        ));
        assert!(matches!(kind(ip("::ffff:127.0.0.1")), Kind::Private(_)));
        assert_eq!(
            AddressPolicy::default().permit(ip("::ffff:1.1.1.1")).unwrap(),
            ip("1.1.1.1")
        );
    }

    #[test]
    fn a_private_network_is_reached_only_where_every_list_names_it() {
        let wide = AddressPolicy::new(vec![parse_network("10.0.0.0/8").unwrap()]);
        let narrow = AddressPolicy::new(vec![parse_network("10.2.0.0/16").unwrap()]);
        assert!(wide.permit(ip("10.3.0.1")).is_ok());
        assert!(narrow.permit(ip("10.3.0.1")).is_err());
        assert!(wide.clone().and(&narrow).permit(ip("10.3.0.1")).is_err());
        assert!(wide.and(&narrow).permit(ip("10.2.0.1")).is_ok());
        let nothing = AddressPolicy::new(vec![]);
        assert!(nothing.permit(ip("10.2.0.1")).is_err());
        assert!(nothing.permit(ip("9.9.9.9")).is_ok());
    }

    #[test]
    fn even_everything_does_not_open_what_is_never_reached() {
        let all = AddressPolicy::new(vec![
            parse_network("0.0.0.0/0").unwrap(),
            parse_network("::/0").unwrap(),
        ]);
        assert!(all.permit(ip("127.0.0.1")).is_ok());
        assert!(all.permit(ip("169.254.169.254")).is_err());
        assert!(all.permit(ip("fe80::1")).is_err());
    }

    #[test]
    fn a_network_that_means_something_else_is_refused_with_what_would_be_right() {
        let table = [
            ("10.2.0.1/16", "write `10.2.0.0/16`"),
            ("10.2.0.0/33", "is not a network"),
            ("inside", "is not a network"),
            ("169.254.0.0/16", "which no grant can open"),
            ("fe80::/10", "which no grant can open"),
            ("::ffff:10.0.0.0/104", "write it as IPv4"),
        ];
        for (text, part) in table {
            let error = parse_network(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert_eq!(parse_network("10.2.0.7").unwrap(), "10.2.0.7/32".parse().unwrap());
    }
}
