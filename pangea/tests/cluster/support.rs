//! A private cluster in a temporary folder on free ports, and what tests ask of it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use http::Method;
use pangea_client::{Client, Event, Game};
use pangea_world::id::CharacterId;
use serde_json::Value;

/// Longest that a test waits for anything that must happen.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Longest that a test has a cluster: one that waits for ever would say nothing, and nobody would learn which it is.
const LONGEST: Duration = Duration::from_secs(600);

/// A `pangea up` of our own.
pub struct Cluster {
    pub folder: tempfile::TempDir,
    pub url: String,
    /// Where links arrive.
    pub link: String,
    child: Option<Child>,
    /// Roles that are processes of their own, by their names.
    others: Vec<(String, Child)>,
    settings: Vec<String>,
    /// A program with its arguments that starts ours, e.g. one that mounts something first.
    wrapper: Vec<String>,
    /// The data folder is seen through the process's own mounts.
    mounted: bool,
    stopped: bool,
    /// Until it is dropped the test may not last longer than [`LONGEST`].
    _lives: mpsc::Sender<()>,
}

/// Ends the whole run if what this gives is not dropped in time.
fn watched() -> mpsc::Sender<()> {
    let (lives, dropped) = mpsc::channel();
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    std::thread::spawn(move || {
        if dropped.recv_timeout(LONGEST) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("{test} has not ended after {} s; the run ends here", LONGEST.as_secs());
            std::process::exit(101);
        }
    });
    lives
}

/// Ports below the range from which the kernel picks outgoing ones; each test process has its own stretch. What one
/// call finds lies together, so that a range from the first to the last has nobody else's.
fn free_ports<const N: usize>() -> [u16; N] {
    static NEXT: Mutex<u32> = Mutex::new(0);
    let mut next = NEXT.lock().expect("nobody panicked over it");
    // So many that no test gets what an earlier one may still use; two runs at once begin far apart.
    let begin = std::process::id() % 20 * 1_000;
    let mut found = [0; N];
    let mut n = 0;
    while n < N {
        let port = 10_000 + ((begin + *next) % 20_000) as u16;
        *next += 1;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            found[n] = port;
            n += 1;
        }
    }
    found
}

/// Free ports of which each is higher than the one before: not where the stretch begins anew.
fn in_order<const N: usize>() -> [u16; N] {
    loop {
        let ports = free_ports();
        if ports.is_sorted() {
            return ports;
        }
    }
}

impl Cluster {
    /// Starts one with the built-in worlds and these further settings (`section.key=value`).
    pub async fn start(settings: &[&str]) -> Self {
        Self::with_worlds(&[], settings).await
    }

    /// Starts one with these world files (name without `.toml`, text).
    pub async fn with_worlds(worlds: &[(&str, &str)], settings: &[&str]) -> Self {
        let mut cluster = Self::prepare(worlds, settings);
        cluster.run().await;
        cluster
    }

    /// The folder and the settings, nothing started.
    pub fn prepare(worlds: &[(&str, &str)], settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in worlds {
            let worlds = folder.path().join("worlds");
            std::fs::create_dir_all(&worlds).expect("a folder");
            std::fs::write(worlds.join(format!("{name}.toml")), text).expect("a world");
        }
        let [http, link, chat] = free_ports();
        let servers = in_order::<60>();
        let mut all = vec![
            format!("data={}", folder.path().join("data").display()),
            format!("worlds={}", folder.path().join("worlds").display()),
            format!("central.listen=127.0.0.1:{http}"),
            format!("central.link=127.0.0.1:{link}"),
            format!("chat.listen=127.0.0.1:{chat}"),
            format!("spawner.ports={}-{}", servers[0], servers[59]),
            "accounts.argon2_memory_kib=64".to_owned(),
            "accounts.argon2_passes=1".to_owned(),
        ];
        all.extend(settings.iter().map(|setting| (*setting).to_owned()));
        let url = format!("http://127.0.0.1:{http}");
        let central = format!("127.0.0.1:{link}");
        all.extend([format!("spawner.central={central}"), format!("chat.central={central}")]);
        Self {
            folder,
            url,
            link: central,
            child: None,
            others: Vec::new(),
            settings: all,
            wrapper: Vec::new(),
            mounted: false,
            stopped: false,
            _lives: watched(),
        }
    }

    /// One more setting, for the next start.
    pub fn set(&mut self, setting: &str) {
        self.settings.push(setting.to_owned());
    }

    /// What this setting is.
    pub fn setting(&self, name: &str) -> &str {
        let mut pairs = self.settings.iter().rev().filter_map(|setting| setting.split_once('='));
        pairs.find(|(known, _)| *known == name).expect("it is set").1
    }

    /// So many free ports one after the other, which nobody else gets.
    pub fn ports_in_a_row<const N: usize>(&self) -> [u16; N] {
        loop {
            let ports = in_order();
            if usize::from(ports[N - 1] - ports[0]) == N - 1 {
                return ports;
            }
        }
    }

    /// Central, spawner and chat as three processes, with the built-in worlds.
    pub async fn apart() -> Self {
        Self::apart_with(&[]).await
    }

    /// The same with these settings.
    pub async fn apart_with(settings: &[&str]) -> Self {
        let mut cluster = Self::prepare(&[], settings);
        cluster.child = Some(cluster.role("central").spawn().expect("central starts"));
        let key = cluster.data().join("keys/master.key");
        cluster.until("central has made its keys", || async { key.exists() }).await;
        for role in ["spawner", "chat"] {
            cluster.start_role(role);
        }
        cluster.until_it_answers().await;
        cluster
    }

    /// Starts this role as a process of its own.
    pub fn start_role(&mut self, role: &str) {
        let child = self.role(role).spawn().expect("a role starts");
        self.others.push((role.to_owned(), child));
    }

    /// Starts another process of this role, under this name and with these settings beside the cluster's.
    pub fn start_another(&mut self, role: &str, name: &str, settings: &[String]) {
        let mut command = self.role(role);
        command.args(["--set", &format!("{role}.name={name}")]);
        for setting in settings {
            command.args(["--set", setting]);
        }
        self.others.push((name.to_owned(), command.spawn().expect("a role starts")));
    }

    /// `kill -9` of it.
    pub fn kill_role(&mut self, role: &str) {
        let at = self.others.iter().position(|(name, _)| name == role).expect("it runs");
        let (_, mut child) = self.others.remove(at);
        child.kill().expect("killed");
        child.wait().expect("ended");
    }

    /// A command that runs this role with the cluster's settings.
    pub fn role(&self, role: &str) -> Command {
        let log = self.folder.path().join("up.log");
        let log = std::fs::File::options().create(true).append(true).open(log).expect("a log");
        let mut command = self.command(&[role]);
        command.stdout(log.try_clone().expect("a log")).stderr(log);
        command
    }

    /// A command with these arguments and the cluster's settings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut all = self.wrapper.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_pangea")]);
        let mut command = Command::new(all.next().expect("a program"));
        command.args(all).args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        command
    }

    /// Starts the process (again), and waits until it answers as the one that we started.
    pub async fn run(&mut self) {
        self.child = Some(self.role("up").spawn().expect("pangea starts"));
        self.until_it_answers().await;
    }

    async fn until_it_answers(&mut self) {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().expect("a child")) {
                panic!("pangea ended with {status}:\n{}", self.log());
            }
            let servers = self.try_servers().await;
            if servers.is_some() && self.roles().await.iter().any(|role| role == "spawner") {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "pangea does not answer:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn roles(&self) -> Vec<String> {
        let status: Result<Value, _> = self.client().call(Method::GET, "/api/status", None).await;
        let roles = status.ok().and_then(|status| status["roles"].as_array().cloned()).unwrap_or_default();
        roles.iter().filter_map(|role| role["role"].as_str().map(str::to_owned)).collect()
    }

    /// A client that is not logged in.
    pub fn client(&self) -> Client {
        Client::new(&self.url).expect("a client")
    }

    /// A registered account with one character in this world.
    pub async fn player(&self, name: &str, world: &str, faction: Option<&str>) -> (Client, CharacterId) {
        let client = self.client();
        client.register(name, "correct horse battery").await.expect("registered");
        let character = client.create_character(world, name, faction).await.expect("a character");
        (client, character.id)
    }

    /// The operator's view of all game servers.
    pub async fn servers(&self) -> Vec<Value> {
        self.try_servers().await.expect("the operator's key opens this")
    }

    async fn try_servers(&self) -> Option<Vec<Value>> {
        let answer = self.operator(Method::GET, "/api/data/servers").await?;
        answer["servers"].as_array().cloned()
    }

    /// A request with the operator's key; `None` if the server is not there or is not ours.
    pub async fn operator(&self, method: Method, path: &str) -> Option<Value> {
        let key = std::fs::read_to_string(self.data().join("keys/operator.key")).ok()?;
        let (status, body) = request(&self.url, method, path, key.trim(), None).await?;
        (status == 200).then(|| serde_json::from_str(&body).ok()).flatten()
    }

    /// An operator's order, which must be followed.
    pub async fn operate(&self, method: Method, path: &str, body: Value) -> Value {
        let key = std::fs::read_to_string(self.data().join("keys/operator.key")).expect("the operator's key");
        let answer = request(&self.url, method, path, key.trim(), Some(&body.to_string())).await;
        let (status, body) = answer.expect("an answer");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// The servers that serve an area whose name begins so.
    pub async fn serving(&self, area: &str) -> Vec<Value> {
        let serves = |server: &Value| server["area"].as_str().is_some_and(|name| name.starts_with(area));
        self.servers().await.into_iter().filter(serves).collect()
    }

    /// Waits until this is true.
    pub async fn until<F: Future<Output = bool>>(&self, what: &str, mut happens: impl FnMut() -> F) {
        let began = Instant::now();
        while !happens().await {
            assert!(began.elapsed() < PATIENCE, "never happened: {what}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until this is found.
    pub async fn until_found<T, F: Future<Output = Option<T>>>(
        &self,
        what: &str,
        mut find: impl FnMut() -> F,
    ) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = find().await {
                return found;
            }
            assert!(began.elapsed() < PATIENCE, "never found: {what}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The processes are started by this program, with their own as its last arguments.
    pub fn wrap(&mut self, wrapper: &[&str]) {
        self.wrapper = wrapper.iter().map(|word| (*word).to_owned()).collect();
    }

    /// From the next start on this folder in the data folder (empty: the data folder) is a file system of its
    /// own, in memory, of this size, which the processes alone see.
    pub fn own_disk(&mut self, folder: &str, mib: u32) {
        let place = self.folder.path().join("data").join(folder);
        std::fs::create_dir_all(&place).expect("a folder");
        let mount = format!("mount -t tmpfs -o size={mib}m pangea '{}' && exec \"$@\"", place.display());
        self.wrap(&["unshare", "--map-root-user", "--mount", "sh", "-c", &mount, "sh"]);
        self.mounted = true;
    }

    /// The process `pangea up`.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("running").id()
    }

    /// Waits until the process ends by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.as_mut().expect("running").try_wait().expect("a child") {
                self.child = None;
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "pangea does not end:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn data(&self) -> PathBuf {
        let data = self.folder.path().join("data");
        match &self.child {
            Some(child) if self.mounted => {
                let inside = data.strip_prefix("/").expect("an absolute path");
                Path::new(&format!("/proc/{}/root", child.id())).join(inside)
            }
            _ => data,
        }
    }

    /// What the processes have logged, for the message of a test that fails.
    pub fn log(&self) -> String {
        let mut text = read(&self.folder.path().join("up.log"));
        if let Ok(folder) = std::fs::read_dir(self.data().join("logs")) {
            for entry in folder.flatten() {
                text += &format!("--- {}\n{}", entry.path().display(), read(&entry.path()));
            }
        }
        text
    }

    /// `kill -9` of central, spawner and chat at once; area servers live on.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("running");
        child.kill().expect("killed");
        child.wait().expect("ended");
    }

    /// Ctrl-C; waits for the end.
    pub fn stop(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("running");
        signal(child.id(), "INT");
        self.stopped = true;
        let began = Instant::now();
        loop {
            if let Some(status) = child.try_wait().expect("a child") {
                return status;
            }
            if began.elapsed() > PATIENCE {
                let _ = child.kill();
                panic!("pangea does not stop:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            signal(child.id(), "INT");
            let began = Instant::now();
            while matches!(child.try_wait(), Ok(None)) && began.elapsed() < Duration::from_secs(20) {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        for (_, other) in &mut self.others {
            let _ = other.kill();
            let _ = other.wait();
        }
        if self.stopped {
            return;
        }
        // Game servers outlive their spawner; end those that this cluster started.
        if let Ok(folder) = std::fs::read_dir(self.data().join("run")) {
            for entry in folder.flatten() {
                let record: Option<Value> = serde_json::from_str(&read(&entry.path())).ok();
                if let Some(pid) = record.and_then(|record| record["pid"].as_u64()) {
                    signal(pid as u32, "KILL");
                }
            }
        }
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Sends a signal to a process that this test started.
pub fn signal(pid: u32, name: &str) {
    let _ = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).stderr(Stdio::null()).status();
}

/// One HTTP/1.1 request by hand: status and body.
pub async fn request(
    base: &str,
    method: Method,
    path: &str,
    bearer: &str,
    body: Option<&str>,
) -> Option<(u16, String)> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let host = base.strip_prefix("http://")?;
    let mut socket = tokio::net::TcpStream::connect(host).await.ok()?;
    let body = body.unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\nauthorization: Bearer {bearer}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(head.as_bytes()).await.ok()?;
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).await.ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.split(' ').nth(1)?.parse().ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body =
        if chunked { body.lines().skip(1).step_by(2).collect::<Vec<_>>().join("") } else { body.to_owned() };
    Some((status, body))
}

/// Waits for an event of a game that this picks out.
pub async fn event<T>(game: &mut Game, what: &str, mut pick: impl FnMut(&Event, &Game) -> Option<T>) -> T {
    let wait = async {
        let mut how = String::new();
        loop {
            let event = game.next_event().await;
            let event = event.unwrap_or_else(|| panic!("the game ended before: {what}; {how}"));
            if let Event::Ended(ended) = &event {
                how = format!("{ended:?}");
            }
            if let Some(found) = pick(&event, game) {
                return found;
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never happened: {what}"))
}
