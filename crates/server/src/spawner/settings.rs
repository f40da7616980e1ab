//! What the spawner was configured to do, checked once.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use pangea_world::id::ServerId;
use pangea_world::id::hex;

use super::SpawnerStart;
use super::kind::Kind;
use super::logs::Bounds;
use super::ports::Ports;
use super::process::Order;
use crate::area_start::AreaStart;
use crate::tls;

/// The name of our own template.
pub const AREA: &str = "area";

/// Checked settings.
#[derive(Debug)]
pub struct Settings {
    /// The spawner's name.
    pub name: String,
    /// Address on which game servers listen.
    pub bind: IpAddr,
    /// Host that clients are told.
    pub advertise: String,
    /// Most servers at once.
    pub capacity: usize,
    /// From start to Ready.
    pub ready_timeout: Duration,
    /// From the wish to stop to the kill.
    pub stop_timeout: Duration,
    /// Longest silence; none: silence is allowed.
    pub health_timeout: Option<Duration>,
    /// Folder of the servers' logs.
    pub logs: PathBuf,
    /// How much the logs may take.
    pub log_bounds: Bounds,
    /// The folder whose files may be started instead of this program.
    pub programs: Option<PathBuf>,
    /// Certificate and key of our servers' game ports, absolute.
    tls: Option<(PathBuf, PathBuf)>,
    start: SpawnerStart,
}

impl Settings {
    /// Checks them, makes the folder for logs.
    ///
    /// # Errors
    /// If a template's name or the folder cannot be used.
    pub fn new(start: SpawnerStart) -> anyhow::Result<Self> {
        let config = &start.config;
        for name in config.templates.keys() {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            ensure!(
                (1..=32).contains(&name.len()) && name.chars().all(plain),
                "spawner.templates: «{name}» is no name; use 1 to 32 letters, digits, «-» and «_»"
            );
        }
        let tls = match (&config.tls_certificate, &config.tls_key) {
            (Some(certificate), Some(key)) => {
                // Each server reads it when it gets an area; a mistake shall be heard of now.
                tls::load(certificate, key).context("spawner.tls_certificate and spawner.tls_key")?;
                Some((std::path::absolute(certificate)?, std::path::absolute(key)?))
            }
            _ => None,
        };
        let logs = start.data.join("logs");
        std::fs::create_dir_all(&logs)
            .map_err(|error| anyhow::anyhow!("cannot make the folder {}: {error}", logs.display()))?;
        Ok(Self {
            name: config.name.clone(),
            bind: config.bind,
            advertise: if config.advertise.is_empty() {
                config.bind.to_string()
            } else {
                config.advertise.clone()
            },
            capacity: config.capacity as usize,
            ready_timeout: Duration::from_secs(config.ready_timeout_s),
            stop_timeout: Duration::from_secs(config.stop_timeout_s),
            health_timeout: (config.health_timeout_s > 0)
                .then(|| Duration::from_secs(config.health_timeout_s)),
            logs,
            log_bounds: Bounds { bytes: config.log_max_bytes, ended: config.logs_kept as usize },
            programs: config.programs.clone(),
            tls,
            start,
        })
    }

    /// The kinds of server by name; ours is always there.
    pub fn kinds(&self) -> BTreeMap<String, Kind> {
        let config = &self.start.config;
        let mut templates = config.templates.clone();
        templates.entry(AREA.to_owned()).or_default();
        let kind = |template| Kind::new(template, config.crash_limit, config.crash_window_s);
        templates.into_iter().map(|(name, template)| (name, kind(template))).collect()
    }

    /// Path of the game socket of a kind's servers.
    pub fn path(&self, template: &str) -> String {
        self.start.config.templates.get(template).map(|template| template.path.clone()).unwrap_or_default()
    }

    /// The file to which a server's output goes.
    pub fn log(&self, template: &str, server: ServerId) -> PathBuf {
        self.logs.join(format!("{template}-{}.log", &server.to_string()[..8]))
    }

    /// How to start a server of a kind.
    ///
    /// # Errors
    /// Never in practice: the line for our own server is always JSON.
    pub fn order(
        &self,
        name: &str,
        kind: &Kind,
        server: ServerId,
        ports: Ports,
        program: &Path,
    ) -> anyhow::Result<Order> {
        let template = &kind.template;
        let mut environment = vec![("PANGEA_LOG".to_owned(), self.start.log.clone())];
        environment.extend(template.environment.iter().map(|(key, value)| (key.clone(), value.clone())));
        environment.push(("AGONES_SDK_GRPC_PORT".to_owned(), ports.grpc.to_string()));
        environment.push(("AGONES_SDK_HTTP_PORT".to_owned(), ports.rest.to_string()));
        let mut command = template.command.clone();
        let mut line = None;
        if kind.is_ours() {
            command = vec![program.to_string_lossy().into_owned(), AREA.to_owned()];
            line = Some(serde_json::to_string(&self.area_start(server))? + "\n");
        } else {
            environment.push(("PORT".to_owned(), ports.game.to_string()));
            environment.push(("HOST".to_owned(), self.bind.to_string()));
        }
        Ok(Order { command, folder: template.folder.clone(), environment, line, log: self.log(name, server) })
    }

    /// How to open the link to central.
    pub fn opener(&self) -> crate::link::Opener {
        crate::link::Opener {
            address: self.start.config.central.clone(),
            role: "spawner".to_owned(),
            name: self.name.clone(),
            spawner: String::new(),
            key: self.start.key.clone(),
            credential: String::new(),
            pin: self.start.pin,
        }
    }

    fn area_start(&self, server: ServerId) -> AreaStart {
        AreaStart {
            server,
            spawner: self.name.clone(),
            key: self.start.key.derive("server", &server.to_string()).to_text(),
            central: self.start.config.central.clone(),
            bind: self.bind,
            advertise: self.advertise.clone(),
            central_pin: self.start.pin.map(|pin| hex(&pin)),
            limits: self.start.limits.clone(),
            tls: self.tls.clone(),
            webtransport: self.start.config.webtransport,
            io: self.start.config.io,
        }
    }
}
