//! Ports that are taken and by whom, addresses that this machine does not have, names that do not resolve.

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs as _};
use std::path::Path;

use pangea_server::config::Config;
use pangea_server::config_layers::{Layers, Origin, port_range};
use pangea_server::node;

use super::{Finding, State};

/// A game server takes one port for players and two for its SDK.
const PORTS_PER_SERVER: usize = 3;

/// Every address on which this node listens is free, or it `runs` already and has them itself.
pub(super) fn listening(config: &Config, runs: bool) -> Vec<Finding> {
    let all = [
        ("central.listen", config.central.listen),
        ("central.link", config.central.link),
        ("chat.listen", config.chat.listen),
    ];
    let mut findings: Vec<_> = all.iter().map(|(key, address)| bindable(key, *address, runs)).collect();
    for (at, (key, address)) in all.iter().enumerate() {
        let same = |other: &SocketAddr| address.port() != 0 && other == address;
        if let Some((first, _)) = all[..at].iter().find(|(_, other)| same(other)) {
            let found = format!("{address} is {first} already");
            findings.push(Finding::broken(*key, found, format!("give {key} another port")));
        }
    }
    findings
}

fn bindable(key: &str, address: SocketAddr, runs: bool) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) => Finding::good(key, format!("{address} is free")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let Some((name, process)) = holder(address.port()) else {
                let mend = format!("stop that program, or set {key} to another port");
                return Finding::broken(key, format!("{address} is taken"), mend);
            };
            let found = format!("{address} is taken by {name} (process {process})");
            if runs && name == command_of("self") {
                let mend = format!("nothing, if that is the one you mean; a second one needs another {key}");
                return Finding::look(key, found, mend);
            }
            Finding::broken(key, found, format!("stop that program, or set {key} to another port"))
        }
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            let mend = format!("set {key} to a port from 1024 on, or allow this program low ports");
            Finding::broken(key, format!("{address}: {error}"), mend)
        }
        Err(error) => Finding::broken(
            key,
            format!("{address}: {error}"),
            format!("set {key} to an address of this machine"),
        ),
    }
}

/// The range has free ports enough, and the system takes none of them for outgoing connections.
pub(super) fn game_ports(config: &Config) -> Vec<Finding> {
    let Ok((first, last)) = port_range(&config.spawner.ports) else { return Vec::new() };
    let what = "spawner.ports";
    let bind = config.spawner.bind;
    let free = (first..=last).filter(|port| TcpListener::bind((bind, *port)).is_ok()).count();
    let servers = free / PORTS_PER_SERVER;
    let found = format!("{first}-{last}: {free} free, enough for {servers} servers");
    let mut findings = vec![if servers == 0 {
        Finding::broken(what, found, "give a range with free ports")
    } else if servers < config.spawner.capacity as usize {
        Finding::look(what, found, format!("widen it: spawner.capacity is {}", config.spawner.capacity))
    } else {
        Finding::good(what, found)
    }];
    if let Some((from, to)) = outgoing_ports()
        && first <= to
        && last >= from
    {
        let found =
            format!("{first}-{last} overlaps {from}-{to}, which the system gives to outgoing connections");
        findings.push(Finding::look(what, found, "choose a range below, e.g. 7000-7999"));
    }
    findings
}

fn outgoing_ports() -> Option<(u16, u16)> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut numbers = text.split_whitespace().map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Names resolve, and `bind` is an address of this machine.
pub(super) fn addresses(layers: &Layers, config: &Config) -> Vec<Finding> {
    let spawner = &config.spawner;
    let mut findings = vec![match TcpListener::bind((spawner.bind, 0)) {
        Ok(_) => Finding::good("spawner.bind", spawner.bind.to_string()),
        Err(error) => {
            let mend = "set spawner.bind to an address of this machine";
            Finding::broken("spawner.bind", format!("{}: {error}", spawner.bind), mend)
        }
    }];
    if !spawner.advertise.is_empty() {
        findings.push(resolves("spawner.advertise", &format!("{}:0", bracketed(&spawner.advertise))));
    } else if spawner.bind.is_unspecified() {
        let mend = "set spawner.advertise to the name that players use";
        findings.push(Finding::look(
            "spawner.advertise",
            format!("players would be told {}", spawner.bind),
            mend,
        ));
    }
    findings.push(central(layers, config, "spawner.central", &spawner.central));
    findings.push(central(layers, config, "chat.central", &config.chat.central));
    if !config.chat.advertise.is_empty() {
        findings.push(resolves("chat.advertise", &format!("{}:0", bracketed(&config.chat.advertise))));
    }
    findings
}

/// Where a role looks for central: under `pangea up` always in its own process, whatever is set.
fn central(layers: &Layers, config: &Config, key: &str, host_and_port: &str) -> Finding {
    let link = match config.central.link {
        link if link.port() == 0 => "a free port".to_owned(),
        link => node::own_link(link),
    };
    if layers.origin(key) == Origin::Default {
        return Finding::good(key, format!("{link}, that of `pangea up` itself (central.link)"));
    }
    let mut finding = resolves(key, host_and_port);
    if finding.state == State::Good && host_and_port != link {
        finding.found += &format!("; for that role alone, `pangea up` takes {link} (central.link)");
    }
    finding
}

/// An IPv6 address needs brackets before a port.
fn bracketed(host: &str) -> String {
    if host.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) { format!("[{host}]") } else { host.to_owned() }
}

fn resolves(key: &str, host_and_port: &str) -> Finding {
    match host_and_port.to_socket_addrs().map(|mut list| list.next()) {
        Ok(Some(address)) => Finding::good(key, format!("{host_and_port} is {}", address.ip())),
        Ok(None) => Finding::broken(key, format!("{host_and_port} has no address"), format!("mend {key}")),
        Err(error) => {
            Finding::broken(key, format!("{host_and_port}: {error}"), format!("mend {key}: host:port"))
        }
    }
}

/// Who listens on a port, e.g. `nginx` and 12; only what this user may see.
fn holder(port: u16) -> Option<(String, String)> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|file| listener_inode(file, port))?;
    let socket = format!("socket:[{inode}]");
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else { continue };
        let holds =
            |entry: fs::DirEntry| fs::read_link(entry.path()).is_ok_and(|to| to == Path::new(&socket));
        if descriptors.flatten().any(holds) {
            let id = process.file_name().to_string_lossy().into_owned();
            return Some((command_of(&id), id));
        }
    }
    None
}

/// The name of a process, or of this one: `self`; empty if it is gone.
fn command_of(process: &str) -> String {
    let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    name.trim().to_owned()
}

/// Columns of proc(5) net/tcp: the local address is the second, the state the fourth (0A listens), the inode the tenth.
fn listener_inode(file: &str, port: u16) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let ending = format!(":{port:04X}");
    text.lines().skip(1).find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let listens =
            columns.get(3) == Some(&"0A") && columns.get(1).is_some_and(|local| local.ends_with(&ending));
        listens.then(|| columns.get(9).map(|inode| (*inode).to_owned()))?
    })
}
