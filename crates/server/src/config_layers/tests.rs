//! What holds, where it came from, and how a mistake is named.

use super::*;

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn text_error(text: &str) -> String {
    Layers::new().text("pangea.toml", text).map_or_else(|error| error.to_string(), |()| "no error".to_owned())
}

fn variable_error(name: &str, value: &str) -> String {
    let result = Layers::new().environment(variables(&[(name, value)]));
    result.map_or_else(|error| error.to_string(), |()| "no error".to_owned())
}

fn set_error(pair: &str) -> String {
    Layers::new().set(pair).map_or_else(|error| error.to_string(), |()| "no error".to_owned())
}

#[test]
fn flags_win_over_environment_over_file_over_default() {
    let mut layers = Layers::new();
    let file =
        "data = \"f\"\nworlds = \"f\"\n[central]\nlisten = \"127.0.0.1:1111\"\nlink = \"127.0.0.1:1112\"\n";
    layers.text("pangea.toml", file).expect("file");
    let set = [("PANGEA_CENTRAL_LISTEN", "127.0.0.1:2222"), ("PANGEA_DATA", "e"), ("HOME", "/x")];
    layers.environment(variables(&set)).expect("environment");
    layers.flag("--listen", "central.listen", "127.0.0.1:3333").expect("flag");
    let config = layers.config().expect("config");
    assert_eq!(config.central.listen.port(), 3333);
    assert_eq!(config.central.link.port(), 1112);
    assert_eq!((config.data.to_str(), config.worlds.to_str()), (Some("e"), Some("f")));
    assert_eq!(config.chat, Config::default().chat);
    assert_eq!(layers.origin("central.listen"), Origin::Flag("--listen".into()));
    assert_eq!(layers.origin("central.link"), Origin::File("pangea.toml".into(), 5));
    assert_eq!(layers.origin("data"), Origin::Variable("PANGEA_DATA".into()));
    assert_eq!(layers.origin("log"), Origin::Default);
}

#[test]
fn a_mistake_in_a_file_is_named_with_its_line_and_the_nearest_key() {
    assert_eq!(
        text_error("[central]\n\nlisen = \"1\"\n"),
        "pangea.toml:3: unknown key «lisen»; did you mean «listen»?"
    );
    assert_eq!(text_error("dta = \"x\"\n"), "pangea.toml:1: unknown key «dta»; did you mean «data»?");
    let starts = |text: &str, wanted: &str| {
        let error = text_error(text);
        assert!(error.starts_with(wanted), "{error}");
    };
    starts(
        "[central]\nlisten = \"here\"\n",
        "pangea.toml:2: central.listen: give an address and a port, e.g. ",
    );
    starts(
        "[central]\n\nqueue_max = -1\n",
        "pangea.toml:3: central.queue_max: give a whole number, 0 or more, not -1",
    );
    starts("data = 5\n", "pangea.toml:1: data: give a text in quotes, not 5");
    starts("limits.body_bytes = true\n", "pangea.toml:1: limits.body_bytes: ");
    starts("[spawner.templates.a]\ncommand = [\n  7]\n", "pangea.toml:3: spawner.templates.a.command: ");
    starts("central = 5\n", "pangea.toml:1: central: ");
    assert!(text_error("[central\n").starts_with("pangea.toml:1: "));
}

#[test]
fn a_mistake_in_a_variable_or_a_flag_is_named_with_it() {
    let wrong = variable_error("PANGEA_CENTRAL_LISEN", "x");
    assert_eq!(
        wrong,
        "PANGEA_CENTRAL_LISEN: unknown variable «PANGEA_CENTRAL_LISEN»; did you mean «PANGEA_CENTRAL_LISTEN»?"
    );
    assert!(variable_error("PANGEA_CENTRAL_PLAIN", "maybe").contains("give true or false"));
    assert!(
        variable_error("PANGEA_CENTRAL_LISTEN", "nowhere")
            .starts_with("PANGEA_CENTRAL_LISTEN: central.listen: ")
    );
    assert_eq!(
        set_error("spawner.prts=1-2"),
        "--set: unknown key «spawner.prts»; did you mean «spawner.ports»?"
    );
    assert_eq!(set_error("spawner.ports"), "--set: «spawner.ports»: write section.key=value");
    assert_eq!(set_error("spawner.capacity=many"), "--set: spawner.capacity = «many»: give a whole number");
    assert_eq!(
        set_error("spawner.capacity=-4"),
        "--set: spawner.capacity: give a whole number from 0 to 4294967295, not -4"
    );
    assert!(set_error("central=1").starts_with("--set: «central» is a section"));
}

#[test]
fn a_flag_takes_a_text_with_or_without_quotes() {
    let mut layers = Layers::new();
    layers.set("central.listen=\"127.0.0.1:1234\"").expect("quoted");
    layers.set("data=plain folder").expect("as it stands");
    let config = layers.config().expect("config");
    assert_eq!((config.central.listen.port(), config.data.to_str()), (1234, Some("plain folder")));
    assert!(set_error("data=\"half\"\"").contains("give a text"));
}

#[test]
fn what_kubernetes_sets_beside_a_service_is_no_key() {
    assert_eq!(variable_error("PANGEA_SERVICE_HOST", "10.0.0.1"), "no error");
    assert_eq!(variable_error("PANGEA_PORT_8080_TCP", "tcp://10.0.0.1:8080"), "no error");
}

#[test]
fn templates_are_added_beside_the_own_one() {
    let mut layers = Layers::new();
    let file =
        "[spawner.templates.lodge]\ncommand = [\"node\", \"lodge.js\"]\n[spawner.templates.area]\npool = 5\n";
    layers.text("pangea.toml", file).expect("file");
    layers.environment(variables(&[("PANGEA_SPAWNER_TEMPLATES_LODGE_POOL", "3")])).expect("variable");
    layers.set("spawner.templates.lodge.environment.MOOD=calm").expect("set");
    layers.set("spawner.templates.other.command=[\"a\", \"b c\"]").expect("set");
    let templates = layers.config().expect("config").spawner.templates;
    assert_eq!(templates.keys().collect::<Vec<_>>(), ["area", "lodge", "other"]);
    assert_eq!((templates["area"].pool, templates["lodge"].pool), (5, 3));
    assert_eq!(templates["lodge"].environment["MOOD"], "calm");
    assert_eq!(templates["other"].command, ["a", "b c"]);
    assert!(text_error("[spawner.templates.lodge]\ncomand = []\n").contains("did you mean «command»?"));
}

#[test]
fn values_that_do_not_fit_are_named_by_where_they_were_set() {
    let mut layers = Layers::new();
    layers.text("pangea.toml", "[spawner]\nports = \"9000-8000\"\n").expect("each is text");
    let error = layers.config().expect_err("the range is empty").to_string();
    assert!(error.starts_with("pangea.toml:2: spawner.ports: «9000-8000»"), "{error}");
    let mut layers = Layers::new();
    layers.set("central.tls_key=key.pem").expect("text");
    assert!(layers.config().expect_err("alone").text.contains("go together"));
}

#[test]
fn entries_name_every_key_and_mask_secrets() {
    let mut layers = Layers::new();
    layers.set("spawner.templates.area.environment.API_TOKEN=abc").expect("set");
    layers.set("spawner.templates.area.environment.STORE=postgres://me:abc@host/db").expect("set");
    layers.set("spawner.templates.area.environment.MOOD=calm").expect("set");
    layers.set("central.tls_key=key.pem").expect("set");
    let entries = layers.entries();
    let value =
        |key: &str| entries.iter().find(|entry| entry.key.ends_with(key)).map(|entry| entry.value.as_str());
    assert_eq!(value("API_TOKEN"), Some("••••••"));
    assert_eq!(value("STORE"), Some("postgres://me:••••••@host/db"));
    assert_eq!(value("MOOD"), Some("calm"));
    assert_eq!(value("central.tls_key"), Some("key.pem"));
    assert_eq!(value("central.tls_certificate"), Some(""), "unset ones are listed too");
    assert_eq!(value("accounts.refuse_common_passwords"), Some("true"));
    assert!(!format!("{entries:?}").contains("abc"));
}
