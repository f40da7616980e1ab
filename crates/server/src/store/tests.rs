use sqlx::Row;

use super::*;

pub(super) async fn fresh() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(folder.path()).await.expect("the store opens");
    (folder, store)
}

async fn note(store: &Store, key: String) -> Result<(), Refusal> {
    store
        .write(move |connection| {
            let key = key.clone();
            Box::pin(async move {
                if key.starts_with("refused") {
                    return Err(Refusal::new(Code::NotFound, "asked for").into());
                }
                sqlx::query("INSERT INTO meta (key, value) VALUES ($1, 'x')")
                    .bind(key)
                    .execute(connection)
                    .await?;
                Ok(())
            })
        })
        .await
}

async fn notes(store: &Store) -> Vec<String> {
    let mut reader = store.reader().await.expect("a reader");
    let rows =
        sqlx::query("SELECT key FROM meta WHERE value = 'x' ORDER BY key").fetch_all(&mut *reader).await;
    rows.expect("rows").iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_failing_job_fails_alone() {
    let (_folder, store) = fresh().await;
    note(&store, "twice".into()).await.expect("the first one");
    let keys = ["a", "refused", "b", "twice", "c"];
    let answers = futures_util::future::join_all(keys.map(|key| note(&store, key.into()))).await;
    let codes: Vec<_> = answers.into_iter().map(|answer| answer.map_err(|refusal| refusal.code)).collect();
    assert_eq!(codes, [Ok(()), Err(Code::NotFound), Ok(()), Err(Code::Internal), Ok(())]);
    assert_eq!(notes(&store).await, ["a", "b", "c", "twice"]);
}

#[tokio::test]
async fn a_full_queue_refuses_and_writes_nothing() {
    let (_folder, store) = fresh().await;
    let many =
        futures_util::future::join_all((0..QUEUE_MAX + 50).map(|n| note(&store, format!("{n:05}")))).await;
    let refused: Vec<_> = many.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert!(
        !refused.is_empty() && refused.iter().all(|refusal| refusal.code == Code::StorageBusy),
        "{refused:?}"
    );
    assert_eq!(notes(&store).await.len(), many.len() - refused.len());
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let (_folder, store) = fresh().await;
    let mut reader = store.reader().await.expect("a reader");
    assert!(sqlx::query("DELETE FROM meta").execute(&mut *reader).await.is_err());
}

#[tokio::test]
async fn a_second_central_is_refused_and_a_later_one_has_a_higher_epoch() {
    let (folder, store) = fresh().await;
    let error = Store::open(folder.path()).await.expect_err("the folder is taken").to_string();
    assert!(error.contains("another central") && error.contains("data = "), "{error}");
    store.close().await;
    assert_eq!(note(&store, "late".into()).await.map_err(|r| r.code), Err(Code::Stopping));
    let again = Store::open(folder.path()).await.expect("it is free again");
    assert_eq!((store.epoch(), again.epoch()), (1, 2));
}

#[tokio::test]
async fn a_superseded_central_writes_nothing_and_says_so() {
    let (_folder, store) = fresh().await;
    store
        .write(|connection| {
            Box::pin(async move {
                sqlx::query("UPDATE leader SET epoch = epoch + 1").execute(connection).await?;
                Ok(())
            })
        })
        .await
        .expect("the rival's write");
    assert!(note(&store, "stale".into()).await.is_err());
    assert!(store.failed().await.contains("taken over"));
    assert!(notes(&store).await.is_empty());
}

/// Nothing is written: it asks before it renews a lease, and once a second.
#[tokio::test]
async fn a_superseded_central_that_writes_nothing_finds_out_when_it_asks() {
    let (folder, store) = fresh().await;
    store.leads().await.expect("it leads");
    let options = options(&folder.path().join("pangea.db"), "rw").expect("the database");
    let mut rival = connect(&options).await.expect("a connection of another central");
    assert_eq!(migrate::lead(&mut rival).await.expect("it takes the lead"), store.epoch() + 1);
    let many = futures_util::future::join_all((0..50).map(|_| store.leads())).await;
    assert!(many.iter().all(|answer| answer.as_ref().is_err_and(|refusal| refusal.code == Code::Stopping)));
    assert!(store.failed().await.contains("taken over"));
}

#[tokio::test]
async fn a_newer_schema_is_refused_with_both_versions() {
    let (folder, store) = fresh().await;
    store
        .write(|connection| {
            Box::pin(async move {
                sqlx::query("UPDATE meta SET value = '977' WHERE key = 'schema'").execute(connection).await?;
                Ok(())
            })
        })
        .await
        .expect("the row is there");
    store.close().await;
    let error = Store::open(folder.path()).await.expect_err("the schema is newer").to_string();
    assert!(error.contains("977") && error.contains("knows versions up to"), "{error}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_named() {
    // Not even root may make a file there.
    let error = Store::open(Path::new("/proc/self")).await.expect_err("it cannot be written").to_string();
    assert!(error.contains("«/proc/self» cannot be written"), "{error}");
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("file"), "").expect("a file");
    let error =
        Store::open(&folder.path().join("file/data")).await.expect_err("it lies in a file").to_string();
    assert!(error.contains("cannot be made"), "{error}");
}

/// The child's part of the next test: writes and tells, until it is killed.
#[tokio::test]
#[ignore = "started by the test that kills it"]
async fn child_that_writes_until_it_is_killed() {
    let Ok(folder) = std::env::var("PANGEA_TEST_STORE") else { return };
    let store = Store::open(Path::new(&folder)).await.expect("the store opens");
    for n in 0.. {
        if note(&store, format!("{n:08}")).await.is_ok() {
            println!("acknowledged {n:08}");
        }
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    use std::io::{BufRead, BufReader};
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut child = std::process::Command::new(std::env::current_exe().expect("this test"))
        .args(["--ignored", "--exact", "--nocapture", "store::tests::child_that_writes_until_it_is_killed"])
        .env("PANGEA_TEST_STORE", folder.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("a child");
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let mut acknowledged = Vec::new();
    for line in lines.map_while(Result::ok) {
        if let Some((_, key)) = line.split_once("acknowledged ") {
            acknowledged.push(key.to_owned());
        }
        if acknowledged.len() == 100 {
            child.kill().expect("it runs");
        }
    }
    child.wait().expect("it has ended");
    assert!(acknowledged.len() >= 100, "{}", acknowledged.len());
    let store = Store::open(folder.path()).await.expect("it opens again");
    let kept = notes(&store).await;
    assert!(acknowledged.iter().all(|key| kept.contains(key)));
}
